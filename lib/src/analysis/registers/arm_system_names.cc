// SPDX-License-Identifier: MIT
#include "analysis/registers/arm_system_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vmstream {
namespace {

// The operands of MRS, as they stand in the instruction.
constexpr uint16_t sysreg(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2) {
  return static_cast<uint16_t>(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2);
}

struct SystemName {
  uint16_t operands;
  std::string_view name;
};

// Sorted by operands.
constexpr std::array kNames{
    SystemName{sysreg(2, 0, 0, 2, 0), "mdccint_el1"},
    SystemName{sysreg(2, 0, 0, 2, 2), "mdscr_el1"},
    SystemName{sysreg(2, 0, 1, 1, 4), "oslsr_el1"},
    SystemName{sysreg(2, 0, 1, 3, 4), "osdlr_el1"},
    SystemName{sysreg(3, 0, 0, 0, 0), "midr_el1"},
    SystemName{sysreg(3, 0, 0, 0, 5), "mpidr_el1"},
    SystemName{sysreg(3, 0, 0, 0, 6), "revidr_el1"},
    SystemName{sysreg(3, 0, 0, 1, 0), "id_pfr0_el1"},
    SystemName{sysreg(3, 0, 0, 1, 1), "id_pfr1_el1"},
    SystemName{sysreg(3, 0, 0, 1, 2), "id_dfr0_el1"},
    SystemName{sysreg(3, 0, 0, 1, 3), "id_afr0_el1"},
    SystemName{sysreg(3, 0, 0, 1, 4), "id_mmfr0_el1"},
    SystemName{sysreg(3, 0, 0, 1, 5), "id_mmfr1_el1"},
    SystemName{sysreg(3, 0, 0, 1, 6), "id_mmfr2_el1"},
    SystemName{sysreg(3, 0, 0, 1, 7), "id_mmfr3_el1"},
    SystemName{sysreg(3, 0, 0, 2, 0), "id_isar0_el1"},
    SystemName{sysreg(3, 0, 0, 2, 1), "id_isar1_el1"},
    SystemName{sysreg(3, 0, 0, 2, 2), "id_isar2_el1"},
    SystemName{sysreg(3, 0, 0, 2, 3), "id_isar3_el1"},
    SystemName{sysreg(3, 0, 0, 2, 4), "id_isar4_el1"},
    SystemName{sysreg(3, 0, 0, 2, 5), "id_isar5_el1"},
    SystemName{sysreg(3, 0, 0, 2, 6), "id_mmfr4_el1"},
    SystemName{sysreg(3, 0, 0, 2, 7), "id_isar6_el1"},
    SystemName{sysreg(3, 0, 0, 3, 0), "mvfr0_el1"},
    SystemName{sysreg(3, 0, 0, 3, 1), "mvfr1_el1"},
    SystemName{sysreg(3, 0, 0, 3, 2), "mvfr2_el1"},
    SystemName{sysreg(3, 0, 0, 3, 4), "id_pfr2_el1"},
    SystemName{sysreg(3, 0, 0, 3, 5), "id_dfr1_el1"},
    SystemName{sysreg(3, 0, 0, 3, 6), "id_mmfr5_el1"},
    SystemName{sysreg(3, 0, 0, 4, 0), "id_aa64pfr0_el1"},
    SystemName{sysreg(3, 0, 0, 4, 1), "id_aa64pfr1_el1"},
    SystemName{sysreg(3, 0, 0, 4, 4), "id_aa64zfr0_el1"},
    SystemName{sysreg(3, 0, 0, 4, 5), "id_aa64smfr0_el1"},
    SystemName{sysreg(3, 0, 0, 5, 0), "id_aa64dfr0_el1"},
    SystemName{sysreg(3, 0, 0, 5, 1), "id_aa64dfr1_el1"},
    SystemName{sysreg(3, 0, 0, 5, 4), "id_aa64afr0_el1"},
    SystemName{sysreg(3, 0, 0, 5, 5), "id_aa64afr1_el1"},
    SystemName{sysreg(3, 0, 0, 6, 0), "id_aa64isar0_el1"},
    SystemName{sysreg(3, 0, 0, 6, 1), "id_aa64isar1_el1"},
    SystemName{sysreg(3, 0, 0, 6, 2), "id_aa64isar2_el1"},
    SystemName{sysreg(3, 0, 0, 7, 0), "id_aa64mmfr0_el1"},
    SystemName{sysreg(3, 0, 0, 7, 1), "id_aa64mmfr1_el1"},
    SystemName{sysreg(3, 0, 0, 7, 2), "id_aa64mmfr2_el1"},
    SystemName{sysreg(3, 0, 1, 0, 0), "sctlr_el1"},
    SystemName{sysreg(3, 0, 1, 0, 1), "actlr_el1"},
    SystemName{sysreg(3, 0, 1, 0, 2), "cpacr_el1"},
    SystemName{sysreg(3, 0, 1, 0, 5), "rgsr_el1"},
    SystemName{sysreg(3, 0, 1, 0, 6), "gcr_el1"},
    SystemName{sysreg(3, 0, 1, 2, 0), "zcr_el1"},
    SystemName{sysreg(3, 0, 2, 0, 0), "ttbr0_el1"},
    SystemName{sysreg(3, 0, 2, 0, 1), "ttbr1_el1"},
    SystemName{sysreg(3, 0, 2, 0, 2), "tcr_el1"},
    SystemName{sysreg(3, 0, 2, 1, 0), "apiakeylo_el1"},
    SystemName{sysreg(3, 0, 2, 1, 1), "apiakeyhi_el1"},
    SystemName{sysreg(3, 0, 2, 1, 2), "apibkeylo_el1"},
    SystemName{sysreg(3, 0, 2, 1, 3), "apibkeyhi_el1"},
    SystemName{sysreg(3, 0, 2, 2, 0), "apdakeylo_el1"},
    SystemName{sysreg(3, 0, 2, 2, 1), "apdakeyhi_el1"},
    SystemName{sysreg(3, 0, 2, 2, 2), "apdbkeylo_el1"},
    SystemName{sysreg(3, 0, 2, 2, 3), "apdbkeyhi_el1"},
    SystemName{sysreg(3, 0, 2, 3, 0), "apgakeylo_el1"},
    SystemName{sysreg(3, 0, 2, 3, 1), "apgakeyhi_el1"},
    SystemName{sysreg(3, 0, 4, 0, 0), "spsr_el1"},
    SystemName{sysreg(3, 0, 4, 0, 1), "elr_el1"},
    SystemName{sysreg(3, 0, 4, 1, 0), "sp_el0"},
    SystemName{sysreg(3, 0, 4, 6, 0), "icc_pmr_el1"},
    SystemName{sysreg(3, 0, 5, 1, 0), "afsr0_el1"},
    SystemName{sysreg(3, 0, 5, 1, 1), "afsr1_el1"},
    SystemName{sysreg(3, 0, 5, 2, 0), "esr_el1"},
    SystemName{sysreg(3, 0, 5, 6, 0), "tfsr_el1"},
    SystemName{sysreg(3, 0, 5, 6, 1), "tfsre0_el1"},
    SystemName{sysreg(3, 0, 6, 0, 0), "far_el1"},
    SystemName{sysreg(3, 0, 7, 4, 0), "par_el1"},
    SystemName{sysreg(3, 0, 9, 14, 1), "pmintenset_el1"},
    SystemName{sysreg(3, 0, 10, 2, 0), "mair_el1"},
    SystemName{sysreg(3, 0, 10, 3, 0), "amair_el1"},
    SystemName{sysreg(3, 0, 12, 0, 0), "vbar_el1"},
    SystemName{sysreg(3, 0, 12, 0, 1), "rvbar_el1"},
    SystemName{sysreg(3, 0, 12, 1, 1), "disr_el1"},
    SystemName{sysreg(3, 0, 12, 8, 3), "icc_bpr0_el1"},
    SystemName{sysreg(3, 0, 12, 8, 4), "icc_ap0r0_el1"},
    SystemName{sysreg(3, 0, 12, 9, 0), "icc_ap1r0_el1"},
    SystemName{sysreg(3, 0, 12, 12, 3), "icc_bpr1_el1"},
    SystemName{sysreg(3, 0, 12, 12, 4), "icc_ctlr_el1"},
    SystemName{sysreg(3, 0, 12, 12, 5), "icc_sre_el1"},
    SystemName{sysreg(3, 0, 12, 12, 6), "icc_igrpen0_el1"},
    SystemName{sysreg(3, 0, 12, 12, 7), "icc_igrpen1_el1"},
    SystemName{sysreg(3, 0, 13, 0, 1), "contextidr_el1"},
    SystemName{sysreg(3, 0, 13, 0, 4), "tpidr_el1"},
    SystemName{sysreg(3, 0, 14, 1, 0), "cntkctl_el1"},
    SystemName{sysreg(3, 1, 0, 0, 0), "ccsidr_el1"},
    SystemName{sysreg(3, 1, 0, 0, 1), "clidr_el1"},
    SystemName{sysreg(3, 2, 0, 0, 0), "csselr_el1"},
    SystemName{sysreg(3, 3, 0, 0, 1), "ctr_el0"},
    SystemName{sysreg(3, 3, 0, 0, 7), "dczid_el0"},
    SystemName{sysreg(3, 3, 9, 12, 0), "pmcr_el0"},
    SystemName{sysreg(3, 3, 9, 12, 1), "pmcntenset_el0"},
    SystemName{sysreg(3, 3, 9, 12, 3), "pmovsclr_el0"},
    SystemName{sysreg(3, 3, 9, 12, 5), "pmselr_el0"},
    SystemName{sysreg(3, 3, 9, 13, 0), "pmccntr_el0"},
    SystemName{sysreg(3, 3, 9, 14, 0), "pmuserenr_el0"},
    SystemName{sysreg(3, 3, 9, 14, 3), "pmovsset_el0"},
    SystemName{sysreg(3, 3, 13, 0, 2), "tpidr_el0"},
    SystemName{sysreg(3, 3, 13, 0, 3), "tpidrro_el0"},
    SystemName{sysreg(3, 3, 14, 0, 0), "cntfrq_el0"},
    SystemName{sysreg(3, 3, 14, 2, 1), "cntp_ctl_el0"},
    SystemName{sysreg(3, 3, 14, 2, 2), "cntp_cval_el0"},
    SystemName{sysreg(3, 3, 14, 3, 1), "cntv_ctl_el0"},
    SystemName{sysreg(3, 3, 14, 3, 2), "cntv_cval_el0"},
    SystemName{sysreg(3, 3, 14, 15, 7), "pmccfiltr_el0"},
    SystemName{sysreg(3, 4, 0, 0, 0), "vpidr_el2"},
    SystemName{sysreg(3, 4, 0, 0, 5), "vmpidr_el2"},
    SystemName{sysreg(3, 4, 1, 0, 0), "sctlr_el2"},
    SystemName{sysreg(3, 4, 1, 0, 1), "actlr_el2"},
    SystemName{sysreg(3, 4, 1, 1, 0), "hcr_el2"},
    SystemName{sysreg(3, 4, 1, 1, 1), "mdcr_el2"},
    SystemName{sysreg(3, 4, 1, 1, 2), "cptr_el2"},
    SystemName{sysreg(3, 4, 1, 1, 3), "hstr_el2"},
    SystemName{sysreg(3, 4, 2, 0, 0), "ttbr0_el2"},
    SystemName{sysreg(3, 4, 2, 0, 1), "ttbr1_el2"},
    SystemName{sysreg(3, 4, 2, 0, 2), "tcr_el2"},
    SystemName{sysreg(3, 4, 2, 1, 0), "vttbr_el2"},
    SystemName{sysreg(3, 4, 2, 1, 2), "vtcr_el2"},
    SystemName{sysreg(3, 4, 3, 0, 0), "dacr32_el2"},
    SystemName{sysreg(3, 4, 4, 0, 0), "spsr_el2"},
    SystemName{sysreg(3, 4, 4, 0, 1), "elr_el2"},
    SystemName{sysreg(3, 4, 4, 1, 0), "sp_el1"},
    SystemName{sysreg(3, 4, 5, 0, 1), "ifsr32_el2"},
    SystemName{sysreg(3, 4, 5, 1, 0), "afsr0_el2"},
    SystemName{sysreg(3, 4, 5, 1, 1), "afsr1_el2"},
    SystemName{sysreg(3, 4, 5, 2, 0), "esr_el2"},
    SystemName{sysreg(3, 4, 5, 3, 0), "fpexc32_el2"},
    SystemName{sysreg(3, 4, 6, 0, 0), "far_el2"},
    SystemName{sysreg(3, 4, 6, 0, 4), "hpfar_el2"},
    SystemName{sysreg(3, 4, 10, 2, 0), "mair_el2"},
    SystemName{sysreg(3, 4, 10, 3, 0), "amair_el2"},
    SystemName{sysreg(3, 4, 12, 0, 0), "vbar_el2"},
    SystemName{sysreg(3, 4, 13, 0, 1), "contextidr_el2"},
    SystemName{sysreg(3, 4, 13, 0, 2), "tpidr_el2"},
    SystemName{sysreg(3, 4, 14, 0, 3), "cntvoff_el2"},
    SystemName{sysreg(3, 4, 14, 1, 0), "cnthctl_el2"},
    SystemName{sysreg(3, 4, 14, 2, 1), "cnthp_ctl_el2"},
    SystemName{sysreg(3, 4, 14, 2, 2), "cnthp_cval_el2"},
    SystemName{sysreg(3, 6, 1, 0, 0), "sctlr_el3"},
    SystemName{sysreg(3, 6, 1, 0, 1), "actlr_el3"},
    SystemName{sysreg(3, 6, 1, 1, 0), "scr_el3"},
    SystemName{sysreg(3, 6, 1, 1, 2), "cptr_el3"},
    SystemName{sysreg(3, 6, 1, 3, 1), "mdcr_el3"},
    SystemName{sysreg(3, 6, 2, 0, 0), "ttbr0_el3"},
    SystemName{sysreg(3, 6, 2, 0, 2), "tcr_el3"},
    SystemName{sysreg(3, 6, 4, 0, 0), "spsr_el3"},
    SystemName{sysreg(3, 6, 4, 0, 1), "elr_el3"},
    SystemName{sysreg(3, 6, 4, 1, 0), "sp_el2"},
    SystemName{sysreg(3, 6, 5, 2, 0), "esr_el3"},
    SystemName{sysreg(3, 6, 6, 0, 0), "far_el3"},
    SystemName{sysreg(3, 6, 10, 2, 0), "mair_el3"},
    SystemName{sysreg(3, 6, 12, 0, 0), "vbar_el3"},
    SystemName{sysreg(3, 6, 13, 0, 2), "tpidr_el3"},
};
static_assert(std::ranges::is_sorted(kNames, {}, &SystemName::operands));

// Registers of which there are several: the number stands in the operands.
std::string numbered_name(uint16_t operands) {
  unsigned crm = operands >> 3 & 15;
  unsigned op2 = operands & 7;
  constexpr std::array<std::string_view, 4> kDebug{"dbgbvr", "dbgbcr", "dbgwvr", "dbgwcr"};
  auto row = static_cast<uint16_t>(operands & 0xff80);
  if (row == sysreg(2, 0, 0, 0, 0) && op2 >= 4) {
    return fmt::format("{}{}_el1", kDebug[op2 - 4], crm);
  }
  if (row == sysreg(3, 3, 14, 0, 0) && crm >= 8) {
    bool counts = crm < 12;
    return fmt::format("{}{}_el0", counts ? "pmevcntr" : "pmevtyper", (crm & 3) * 8 + op2);
  }
  return {};
}

}  // namespace

std::string arm_system_name(uint64_t index) {
  constexpr uint64_t kOfAArch64 = 0x6000000000000000;
  auto operands = static_cast<uint16_t>(index);
  if ((index & 0xf000000000000000) != kOfAArch64) {
    return fmt::format("p{}_{}_c{}_c{}_{}", index >> 16 & 15, operands >> 3 & 7,
                       operands >> 11 & 15, operands >> 7 & 15, operands & 7);
  }
  const auto* found = std::ranges::lower_bound(kNames, operands, {}, &SystemName::operands);
  if (found != kNames.end() && found->operands == operands) return std::string(found->name);
  if (auto name = numbered_name(operands); !name.empty()) return name;
  return fmt::format("s{}_{}_c{}_c{}_{}", operands >> 14, operands >> 11 & 7, operands >> 7 & 15,
                     operands >> 3 & 15, operands & 7);
}

uint32_t arm_system_bits(uint64_t index) {
  constexpr uint64_t kSizeShift = 52;  // of the number's logarithm in bytes
  unsigned logarithm = index >> kSizeShift & 15;
  return logarithm == 2 ? 32 : 64;
}

}  // namespace vmstream
