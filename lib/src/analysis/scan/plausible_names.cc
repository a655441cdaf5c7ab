// SPDX-License-Identifier: MIT
#include "analysis/scan/plausible_names.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstddef>
#include <span>

namespace vmstream::analysis {
namespace {

// Fronts of versioned types that nearly every guest is of, and two whole names.
constexpr std::array<std::string_view, 7> kMachines{
    "pc-i440fx-", "pc-q35-", "virt-", "pseries-", "s390-ccw-virtio-", "isapc", "microvm"};
// Of QEMU's callers of register_savevm_live(), and of Proxmox.
constexpr std::array<std::string_view, 7> kIterables{
    "ram",        "block",    "dirty-bitmap", "spapr/htab", "s390-storage_attributes",
    "s390-skeys", "pbs-state"};
// Those that a destination compares (migration/savevm.c, should_validate_capability()).
constexpr std::array<std::string_view, 2> kCapabilities{"x-ignore-shared", "mapped-ram"};

// As boards, firmware and the tables of ACPI have them.
constexpr std::array<std::string_view, 9> kRamBlocks{"pc.ram",
                                                     "pc.bios",
                                                     "pc.rom",
                                                     "/rom@etc/acpi/tables",
                                                     "/rom@etc/acpi/rsdp",
                                                     "vga.vram",
                                                     "mach-virt.ram",
                                                     "/rom@etc/table-loader",
                                                     "isa-bios"};

bool is_one_letter_off(std::string_view name, std::string_view known) {
  if (name.size() != known.size()) return false;
  size_t differing = 0;
  for (size_t i = 0; i < known.size(); ++i) differing += name[i] != known[i];
  return differing == 1;
}

bool is_one_letter_off(std::string_view name, std::span<const std::string_view> known) {
  return std::ranges::any_of(known, [&](auto one) { return is_one_letter_off(name, one); });
}

}  // namespace

bool is_printable(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7f; });
}

bool is_one_bit_off(std::string_view name, std::string_view known) {
  if (name.size() != known.size()) return false;
  auto [here, there] = std::ranges::mismatch(name, known);
  if (here == name.end() || !std::equal(here + 1, name.end(), there + 1)) return false;
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::has_single_bit(static_cast<unsigned char>(*here ^ *there)) &&
         !(is_digit(*here) && is_digit(*there));
}

bool is_damaged_block(std::string_view name) {
  return std::ranges::any_of(kRamBlocks, [&](auto known) { return is_one_bit_off(name, known); });
}

bool is_of_no_release(QemuVersion machine_since) {
  bool has_two_or_three_a_year = machine_since.major >= 3 && machine_since.major <= 10;
  return has_two_or_three_a_year && machine_since.minor > 2;
}

bool is_damaged_machine(std::string_view name) {
  bool has_odd_letter = std::ranges::any_of(name, [](unsigned char c) {
    return !std::isalnum(c) && c != '-' && c != '.' && c != '_' && c != '+';
  });
  return has_odd_letter || std::ranges::any_of(kMachines, [&](std::string_view front) {
           return is_one_letter_off(name.substr(0, front.size()), front);
         });
}

bool is_damaged_iterable(std::string_view name) {
  return is_one_letter_off(name, kIterables);
}

bool is_damaged_capability(std::string_view name) {
  return !is_printable(name) || is_one_letter_off(name, kCapabilities);
}

}  // namespace vmstream::analysis
