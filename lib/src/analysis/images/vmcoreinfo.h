// SPDX-License-Identifier: MIT
// The note in which a Linux kernel describes itself to those who read its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/memory_image.h>

namespace vmstream {

struct VmcoreInfo {
  std::string text;  ///< lines KEY=VALUE; not escaped

  /// What stands behind "KEY="; empty without such a line.
  std::string_view find(std::string_view key) const;
  /// A number, in any of the forms that the kernel uses: hexadecimal with or without 0x where
  /// `base` is 16, decimal with a sign where it is 10.
  std::optional<uint64_t> number(std::string_view key, int base) const;
};

/// The note at an address, if it is one.
Result<std::optional<VmcoreInfo>> read_vmcoreinfo(PhysicalMemory& memory, uint64_t address,
                                                  bool is_big);

/// Where the device says, or else the first that is found at the begin of a page. Reads all of the
/// memory if there is none.
Result<std::optional<VmcoreInfo>> find_vmcoreinfo(StateFile& file, const PhysicalMap& map,
                                                  const MemoryImageOptions& options, bool is_big);

/// Where the text of the kernel is in memory and in its own addresses.
struct KernelText {
  uint64_t virtual_address = 0;
  uint64_t physical_address = 0;
};
/// Of x86-64 and aarch64 kernels. Empty where the note does not tell.
std::optional<KernelText> find_kernel_text(const VmcoreInfo& info, std::string_view machine);

}  // namespace vmstream
