// SPDX-License-Identifier: MIT
// The checksum of tables and blocks: guards against accidents, not against forgers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmstream {

/// XXH64 with seed 0.
uint64_t xxh64(std::span<const std::byte> bytes);

}  // namespace vmstream
