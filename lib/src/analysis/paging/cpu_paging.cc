// SPDX-License-Identifier: MIT
// Which tables a processor uses, by its registers.
#include <vmstream/address_space.h>

#include <fmt/format.h>

#include "analysis/paging/table_format.h"

namespace vmstream {
namespace {

Error missing(std::string_view name) {
  return {Errc::Unsupported, fmt::format("the stream does not tell register {}", name)};
}

// Registers by name; the first that is missing is remembered.
class Wanted {
 public:
  explicit Wanted(const CpuRegisters& cpu) : cpu_(cpu) {}
  uint64_t operator[](std::string_view name) {
    auto value = cpu_.value(name);
    if (!value && missing_.empty()) missing_ = name;
    return value.value_or(0);
  }
  std::string_view first_missing() const { return missing_; }

 private:
  const CpuRegisters& cpu_;
  std::string_view missing_;
};

struct X86Choice {
  PagingMode mode = PagingMode::Off;
  uint64_t root = 0;
  unsigned bits = 32;
};

X86Choice choose_x86(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer) {
  constexpr uint64_t kPageMask = 0x000f'ffff'ffff'f000;
  if (!has_bit(cr0, 31)) return {};
  if (!has_bit(cr4, 5)) return {PagingMode::X86Legacy, cr3 & 0xffff'f000, 32};
  if (!has_bit(efer, 10)) return {PagingMode::X86Pae, cr3 & 0xffff'ffe0, 32};
  if (has_bit(cr4, 12)) return {PagingMode::X86Long5, cr3 & kPageMask, 57};
  return {PagingMode::X86Long4, cr3 & kPageMask, 48};
}

constexpr unsigned kGranules = 4;
constexpr PagingMode kLowGranules[kGranules] = {PagingMode::Arm4K, PagingMode::Arm64K,
                                                PagingMode::Arm16K, PagingMode::Off};
constexpr PagingMode kHighGranules[kGranules] = {PagingMode::Off, PagingMode::Arm16K,
                                                 PagingMode::Arm4K, PagingMode::Arm64K};

AddressSpace::Half arm_half(uint64_t table, unsigned size_field, bool disabled, bool top_byte) {
  constexpr uint64_t kTableMask = 0x0000'ffff'ffff'f000;
  constexpr unsigned kLeastBits = 16;
  constexpr unsigned kMostBits = 48;
  unsigned bits = 64 - size_field;
  return {.root = table & kTableMask,
          .bits = bits,
          .enabled = !disabled && bits >= kLeastBits && bits <= kMostBits,
          .ignores_top_byte = top_byte};
}

}  // namespace

Result<AddressSpace> AddressSpace::of_cpu(const CpuRegisters& cpu) {
  Wanted registers(cpu);
  AddressSpace space(PagingMode::Off);
  switch (cpu.architecture) {
    case CpuArchitecture::X86:
    case CpuArchitecture::I386: {
      // A processor of 32 bits has no long mode, and no register for it.
      uint64_t efer = cpu.architecture == CpuArchitecture::X86 ? registers["efer"] : 0;
      auto choice = choose_x86(registers["cr0"], registers["cr3"], registers["cr4"], efer);
      space.mode_ = choice.mode;
      space.low_ = {.root = choice.root, .bits = choice.bits};
      space.large_pages_ = has_bit(registers["cr4"], 4);
      space.high_.enabled = false;
      constexpr uint64_t kUpperHalf = 0xffff'ffff'0000'0000;
      space.a20_mask_ = kUpperHalf | cpu.value("a20_mask").value_or(~0ull);
      break;
    }
    case CpuArchitecture::AArch64: {
      unsigned level = registers["pstate"] >> 2 & 3;
      if (!has_bit(registers[level > 1 ? (level == 2 ? "sctlr_el2" : "sctlr_el3") : "sctlr_el1"],
                   0)) {
        break;
      }
      if (level > 1 || has_bit(cpu.value("hcr_el2").value_or(0), 0)) {
        return Error{Errc::Unsupported, "the page tables of EL2 and EL3 are not read"};
      }
      uint64_t control = registers["tcr_el1"];
      space.low_ =
          arm_half(registers["ttbr0_el1"], control & 63, has_bit(control, 7), has_bit(control, 37));
      space.high_ = arm_half(registers["ttbr1_el1"], control >> 16 & 63, has_bit(control, 23),
                             has_bit(control, 38));
      auto low = kLowGranules[control >> 14 & 3];
      auto high = kHighGranules[control >> 30 & 3];
      bool differ = space.low_.enabled && space.high_.enabled && low != high;
      if (differ || (space.low_.enabled ? low : high) == PagingMode::Off) {
        return Error{Errc::Unsupported, "page tables of two granules, or of none, are not read"};
      }
      space.mode_ = space.low_.enabled ? low : high;
      break;
    }
    default:
      return Error{Errc::Unsupported,
                   fmt::format("the page tables of {} are not read", name_of(cpu.architecture))};
  }
  if (auto name = registers.first_missing(); !name.empty()) return missing(name);
  return space;
}

}  // namespace vmstream
