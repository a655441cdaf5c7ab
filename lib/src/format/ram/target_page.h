// SPDX-License-Identifier: MIT
// The size of a target page, which the ram section itself never tells.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace vmstream {

inline constexpr uint32_t kUsualPageBytes = 4096;

/// Sizes that QEMU targets have had, the likely ones first.
inline constexpr std::array<uint32_t, 6> kTargetPageSizes = {4096, 8192, 1024, 16384, 65536, 256};

/// The best guess for a machine type. A guess is confirmed at the first page: see RamBody.
uint32_t guess_page_bytes(std::string_view machine);

}  // namespace vmstream
