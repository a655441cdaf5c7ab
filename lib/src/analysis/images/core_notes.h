// SPDX-License-Identifier: MIT
// The notes of a core: registers of each processor, as QEMU writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <vmstream/cpu_registers.h>

namespace vmstream {

/// What a core says the machine is.
struct CoreMachine {
  uint16_t elf_machine = 0;
  bool is_big = false;
  std::string_view name;  ///< as uname says it
};

/// By the first processor. Empty for one whose cores are not known here.
std::optional<CoreMachine> core_machine(const std::vector<CpuRegisters>& cpus);

/// A note: name, type, description.
std::vector<std::byte> make_note(std::string_view name, uint32_t type,
                                 const std::vector<std::byte>& description, bool is_big);

/// All notes of all processors, in QEMU's order.
std::vector<std::byte> make_cpu_notes(const std::vector<CpuRegisters>& cpus,
                                      const CoreMachine& machine);

}  // namespace vmstream
