// SPDX-License-Identifier: MIT
#include "format/ram/target_page.h"

#include <algorithm>

namespace vmstream {
namespace {

struct MachinePage {
  std::string_view prefix;  // of the versioned machine type, or a block's whole name
  uint32_t bytes;
};

// Machines of the targets whose pages are not 4096 bytes. Names that several targets share, such as
// "virt", are left to the confirmation by the first page.
constexpr MachinePage kMachines[] = {
    {"clipper", 8192},  // alpha
    {"sun4u", 8192},
    {"sun4v", 8192},
    {"niagara", 8192},  // sparc64
    {"or1k-sim", 8192},
    {"axis-dev88", 8192},  // or1k, cris
    {"tricore_testboard", 16384},
    {"KIT_AURIX", 16384},  // tricore
    {"V66G_1024", 65536},  // hexagon
    {"arduino", 256},
    {"mega", 256},
    {"uno", 256},  // avr
};

struct TargetPage {
  std::string_view target;
  uint32_t bytes;    // where the configuration gives no size
  bool only = true;  // the target has no pages of another size
};

// Targets whose size is the same in every QEMU.
constexpr TargetPage kTargets[] = {
    {"x86_64", 4096},
    {"i386", 4096},
    {"aarch64", 1024, false},
    {"arm", 1024, false},
    {"ppc64", 4096},
    {"ppc", 4096},
    {"s390x", 4096},
    {"riscv64", 4096},
    {"riscv32", 4096},
    {"mips64el", 4096, false},
    {"mips64", 4096, false},
    {"mipsel", 4096, false},
    {"mips", 4096, false},
    {"sparc64", 8192},
    {"sparc", 4096},
    {"alpha", 8192},
    {"avr", 256},
    {"or1k", 8192},
    {"tricore", 16384},
};

// Machine types that one of these targets has and no other.
constexpr MachinePage kSureMachines[] = {
    {"pc-", 4096},     {"isapc", 4096},     {"microvm", 4096}, {"pseries-", 4096},
    {"powernv", 4096}, {"s390-ccw-", 4096}, {"clipper", 8192}, {"sun4u", 8192},
    {"sun4v", 8192},   {"niagara", 8192},
};

// Memory that only machines of one of these targets have, also those whose streams name no machine.
constexpr MachinePage kSureBlocks[] = {
    {"pc.ram", 4096},        {"microvm.ram", 4096},          {"s390.ram", 4096},
    {"ppc_spapr.ram", 4096}, {"riscv_virt_board.ram", 4096},
};

std::optional<uint32_t> bytes_of_machine(std::string_view machine) {
  auto found = std::ranges::find_if(
      kSureMachines, [&](const MachinePage& entry) { return machine.starts_with(entry.prefix); });
  return found == std::end(kSureMachines) ? std::nullopt : std::optional(found->bytes);
}

}  // namespace

std::optional<uint32_t> certain_page_bytes(const Configuration* configuration,
                                           std::string_view target) {
  if (configuration && configuration->target_page_bits) {
    return uint32_t{1} << *configuration->target_page_bits;
  }
  if (target.empty())
    return configuration ? bytes_of_machine(configuration->machine) : std::nullopt;
  auto found = std::ranges::find(kTargets, target, &TargetPage::target);
  bool certain = found != std::end(kTargets) && (configuration || found->only);
  return certain ? std::optional(found->bytes) : std::nullopt;
}

std::optional<uint32_t> certain_page_bytes(const RamBlockList& list) {
  for (const RamBlock& block : list.blocks) {
    auto found = std::ranges::find(kSureBlocks, block.name, &MachinePage::prefix);
    if (found != std::end(kSureBlocks)) return found->bytes;
  }
  return std::nullopt;
}

uint32_t guess_page_bytes(std::string_view machine) {
  auto found = std::ranges::find_if(
      kMachines, [&](const MachinePage& entry) { return machine.starts_with(entry.prefix); });
  return found == std::end(kMachines) ? kUsualPageBytes : found->bytes;
}

}  // namespace vmstream
