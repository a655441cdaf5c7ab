// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmstream {

/// The CRC-32 of gzip; `so_far` continues an earlier one. By the fastest library built in.
uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t so_far = 0);

}  // namespace vmstream
