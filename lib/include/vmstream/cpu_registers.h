// SPDX-License-Identifier: MIT
// The registers of a saved guest's processors, by the names that manuals and debuggers use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_collector.h>
#include <vmstream/result.h>

namespace vmstream {

/// What the fields of a section "cpu" show it to be.
enum class CpuArchitecture {
  X86,      ///< 64 bits
  I386,     ///< of a QEMU for i386, which has no others
  AArch64,  ///< in AArch64 state
  Arm,      ///< 32 bits, or a 64-bit processor in AArch32 state
  RiscV,
  Power,
  S390,
  Other,  ///< described, but of a kind that is not known here: QEMU's names, without "env."
};
std::string_view name_of(CpuArchitecture architecture);  ///< "x86-64", "i386", "aarch64", …

/// What a register is for; the order in which they are shown.
enum class RegisterGroup { General, Segment, Control, Msr, Float, Vector, System, Apic, Other };
std::string_view name_of(RegisterGroup group);  ///< "general", "segment", …

/// One register. A plain value.
struct CpuRegister {
  std::string name;  ///< lower case; escaped where it comes from a description
  RegisterGroup group = RegisterGroup::General;
  uint32_t bits = 64;
  std::vector<uint64_t> words = {};  ///< lowest first, at least one
  std::string meaning = {};          ///< names of the flags that are set, or a mode; often empty
  uint64_t offset = 0;               ///< in the plain stream, of the field it was taken from

  uint64_t value() const { return words.front(); }
  std::string hex() const;  ///< "0x" and as many digits as it has bits
};

/// The registers of one processor. A plain value, which points nowhere.
///
/// x86 segments are four registers each: "cs" (the selector), "cs_base", "cs_limit", "cs_flags"
/// (QEMU's: the second word of the descriptor, without its base and limit bits). So are "ldt" and
/// "tr"; "gdt" and "idt" have a base and a limit. "st0" is the top of the x87 stack.
struct CpuRegisters {
  uint32_t instance_id = 0;  ///< of the section: the number of the processor
  CpuArchitecture architecture = CpuArchitecture::Other;
  std::vector<CpuRegister> registers = {};

  const CpuRegister* find(std::string_view name) const;
  /// The lowest 64 bits; empty without such a register.
  std::optional<uint64_t> value(std::string_view name) const;
};

/// Whether the registers are in this section, or a part of them: "cpu" and "apic".
bool holds_registers(const SectionHeader& header);

/// All processors of the sections that were collected, in the order of their numbers.
/// Errc::Unsupported where the stream has none, or does not describe them and no schema does.
Result<std::vector<CpuRegisters>> read_cpu_registers(const DeviceCollector& collector);

/// One processor, decoded. `apic` is its interrupt controller, or null. Keeps nothing of them.
CpuRegisters cpu_registers(const DecodedDevice& cpu, const DecodedDevice* apic = nullptr);

}  // namespace vmstream
