// SPDX-License-Identifier: MIT
#include "analysis/registers/flag_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vmstream {
namespace {

constexpr std::array kRflags{
    FlagName{0, "CF"},  FlagName{2, "PF"},   FlagName{4, "AF"},   FlagName{6, "ZF"},
    FlagName{7, "SF"},  FlagName{8, "TF"},   FlagName{9, "IF"},   FlagName{10, "DF"},
    FlagName{11, "OF"}, FlagName{14, "NT"},  FlagName{16, "RF"},  FlagName{17, "VM"},
    FlagName{18, "AC"}, FlagName{19, "VIF"}, FlagName{20, "VIP"}, FlagName{21, "ID"},
};
constexpr std::array kCr0{
    FlagName{0, "PE"},  FlagName{1, "MP"},  FlagName{2, "EM"},  FlagName{3, "TS"},
    FlagName{4, "ET"},  FlagName{5, "NE"},  FlagName{16, "WP"}, FlagName{18, "AM"},
    FlagName{29, "NW"}, FlagName{30, "CD"}, FlagName{31, "PG"},
};
constexpr std::array kCr4{
    FlagName{0, "VME"},       FlagName{1, "PVI"},         FlagName{2, "TSD"},
    FlagName{3, "DE"},        FlagName{4, "PSE"},         FlagName{5, "PAE"},
    FlagName{6, "MCE"},       FlagName{7, "PGE"},         FlagName{8, "PCE"},
    FlagName{9, "OSFXSR"},    FlagName{10, "OSXMMEXCPT"}, FlagName{11, "UMIP"},
    FlagName{12, "LA57"},     FlagName{13, "VMXE"},       FlagName{14, "SMXE"},
    FlagName{16, "FSGSBASE"}, FlagName{17, "PCIDE"},      FlagName{18, "OSXSAVE"},
    FlagName{19, "KL"},       FlagName{20, "SMEP"},       FlagName{21, "SMAP"},
    FlagName{22, "PKE"},      FlagName{23, "CET"},        FlagName{24, "PKS"},
    FlagName{25, "UINTR"},    FlagName{28, "LAM_SUP"},    FlagName{32, "FRED"},
};
constexpr std::array kEfer{
    FlagName{0, "SCE"},    FlagName{8, "LME"},   FlagName{10, "LMA"},
    FlagName{11, "NXE"},   FlagName{12, "SVME"}, FlagName{13, "LMSLE"},
    FlagName{14, "FFXSR"}, FlagName{15, "TCE"},  FlagName{21, "AIBRSE"},
};
constexpr std::array kXcr0{
    FlagName{0, "x87"},       FlagName{1, "SSE"},       FlagName{2, "AVX"},
    FlagName{3, "BNDREG"},    FlagName{4, "BNDCSR"},    FlagName{5, "opmask"},
    FlagName{6, "ZMM_Hi256"}, FlagName{7, "Hi16_ZMM"},  FlagName{9, "PKRU"},
    FlagName{17, "TILECFG"},  FlagName{18, "TILEDATA"},
};
constexpr std::array kApicBase{
    FlagName{8, "BSP"},
    FlagName{10, "EXTD"},
    FlagName{11, "EN"},
};

struct FlagRegister {
  std::string_view name;
  std::span<const FlagName> flags;
};

constexpr std::array kX86{
    FlagRegister{"rflags", kRflags},
    FlagRegister{"eflags", kRflags},
    FlagRegister{"cr0", kCr0},
    FlagRegister{"cr4", kCr4},
    FlagRegister{"efer", kEfer},
    FlagRegister{"xcr0", kXcr0},
    FlagRegister{"apic_base", kApicBase},
};

constexpr std::array kPstate{
    FlagName{31, "N"},   FlagName{30, "Z"},  FlagName{29, "C"},  FlagName{28, "V"},
    FlagName{22, "PAN"}, FlagName{21, "SS"}, FlagName{20, "IL"}, FlagName{9, "D"},
    FlagName{8, "A"},    FlagName{7, "I"},   FlagName{6, "F"},
};

}  // namespace

std::string flags_of(uint64_t value, std::span<const FlagName> names) {
  std::string text;
  for (const FlagName& flag : names) {
    if ((value >> flag.bit & 1) == 0) continue;
    if (!text.empty()) text += ' ';
    text += flag.name;
  }
  return text;
}

std::string x86_meaning(std::string_view name, uint64_t value) {
  const auto* found = std::ranges::find(kX86, name, &FlagRegister::name);
  if (found == kX86.end()) return {};
  std::string text = flags_of(value, found->flags);
  unsigned privilege = value >> 12 & 3;
  if (name.ends_with("flags") && privilege != 0) text += fmt::format(" IOPL{}", privilege);
  return text;
}

std::string x86_segment_meaning(uint64_t flags) {
  constexpr unsigned kPresent = 15;
  constexpr unsigned kNotSystem = 12;
  constexpr unsigned kCode = 11;
  constexpr unsigned kLong = 21;
  constexpr unsigned kBig = 22;
  auto has = [flags](unsigned bit) { return (flags >> bit & 1) != 0; };
  if (!has(kPresent)) return "not present";
  unsigned privilege = flags >> 13 & 3;
  if (!has(kNotSystem)) return fmt::format("system type {}, dpl {}", flags >> 8 & 15, privilege);
  std::string_view width = has(kBig) ? "32-bit" : "16-bit";
  if (has(kCode) && has(kLong)) width = "64-bit";
  return fmt::format("{} {}, dpl {}", has(kCode) ? "code" : "data", width, privilege);
}

std::string aarch64_pstate_meaning(uint64_t pstate) {
  std::string text = flags_of(pstate, kPstate);
  if (!text.empty()) text += ' ';
  return text + fmt::format("EL{}{}", pstate >> 2 & 3, (pstate & 1) != 0 ? 'h' : 't');
}

}  // namespace vmstream
