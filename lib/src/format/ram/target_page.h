// SPDX-License-Identifier: MIT
// The size of a target page, which the ram section itself never tells.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <vmstream/format.h>

namespace vmstream {

inline constexpr uint32_t kUsualPageBytes = 4096;

/// Sizes that QEMU targets have had, the likely ones first.
inline constexpr std::array<uint32_t, 6> kTargetPageSizes = {4096, 8192, 1024, 16384, 65536, 256};

/// The best guess for a machine type. A guess is confirmed at the first page: see RamBody.
uint32_t guess_page_bytes(std::string_view machine);

/// The size with which QEMU loads a stream, or nothing where that is not certain: a load fails
/// where it is another. `target` is QEMU's name of the emulated processor, such as "x86_64"; empty
/// where nobody has asked, then the machine type may tell. `configuration` is null where the stream
/// has none.
std::optional<uint32_t> certain_page_bytes(const Configuration* configuration,
                                           std::string_view target);
/// The same by the names of the blocks: no other target has one that is called so, and QEMU refuses
/// a list with blocks that it has not.
std::optional<uint32_t> certain_page_bytes(const RamBlockList& list);

}  // namespace vmstream
