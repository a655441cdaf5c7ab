// SPDX-License-Identifier: MIT
#include "analysis/paging/table_format.h"

#include <algorithm>

namespace vmstream {
namespace {

constexpr uint64_t kPhysicalBits = 0x000f'ffff'ffff'f000;     // 51:12, x86
constexpr uint64_t kArmPhysicalBits = 0x0000'ffff'ffff'f000;  // 47:12

std::vector<TableLevel> x86_levels(unsigned count) {
  std::vector<TableLevel> levels;
  for (unsigned number = count; number > 0; --number) {
    levels.push_back({.number = number, .shift = 12 + 9 * (number - 1), .bits = 9});
  }
  return levels;
}

unsigned granule_shift(PagingMode mode) {
  if (mode == PagingMode::Arm4K) return 12;
  return mode == PagingMode::Arm16K ? 14 : 16;
}

// The first level has as many entries as the address has bits left for it.
std::vector<TableLevel> arm_levels(unsigned granule, unsigned address_bits) {
  unsigned bits = granule - 3;
  std::vector<TableLevel> levels;
  unsigned above = std::max(address_bits, granule + 1);
  for (unsigned number = 4; number-- > 0;) {
    unsigned shift = granule + bits * (3 - number);
    if (shift >= above) break;
    levels.push_back({.number = number, .shift = shift, .bits = std::min(bits, above - shift)});
  }
  std::ranges::reverse(levels);
  return levels;
}

TableEntry decode_legacy(uint64_t entry, bool is_last, bool large_pages) {
  TableEntry decoded{.present = has_bit(entry, 0),
                     .is_page = is_last || (large_pages && has_bit(entry, 7)),
                     .address = entry & 0xfffff000,
                     .writable = has_bit(entry, 1),
                     .user = has_bit(entry, 2),
                     .executable = true};
  if (decoded.is_page && !is_last) {  // bits 20:13 are bits 39:32 of the address
    decoded.address = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
  }
  return decoded;
}

TableEntry decode_x86(PagingMode mode, const TableLevel& level, uint64_t entry, bool is_last) {
  bool is_pointer_table = mode == PagingMode::X86Pae && level.number == 3;
  bool may_be_page = is_last || level.number == 2 || (level.number == 3 && !is_pointer_table);
  TableEntry decoded{.present = has_bit(entry, 0),
                     .is_page = is_last || (may_be_page && has_bit(entry, 7)),
                     .address = entry & kPhysicalBits,
                     .writable = is_pointer_table || has_bit(entry, 1),
                     .user = is_pointer_table || has_bit(entry, 2),
                     .executable = is_pointer_table || !has_bit(entry, 63)};
  if (decoded.is_page) decoded.address &= ~((1ull << level.shift) - 1);
  return decoded;
}

TableEntry decode_arm(PagingMode mode, const TableLevel& level, uint64_t entry, bool is_last) {
  unsigned granule = granule_shift(mode);
  bool may_be_block = level.number == 2 || (level.number == 1 && mode == PagingMode::Arm4K);
  bool says_table = has_bit(entry, 1);  // of the last level: a page
  TableEntry decoded{.present = has_bit(entry, 0) && (says_table || (may_be_block && !is_last)),
                     .is_page = is_last || !says_table,
                     .address = entry & kArmPhysicalBits & ~((1ull << granule) - 1)};
  if (decoded.is_page) {
    decoded.address &= ~((1ull << level.shift) - 1);
    decoded.writable = !has_bit(entry, 7);
    decoded.user = has_bit(entry, 6);
    decoded.executable = !has_bit(entry, decoded.user ? 54 : 53);
    return decoded;
  }
  decoded.writable = !has_bit(entry, 62);
  decoded.user = !has_bit(entry, 61);
  decoded.executable = !has_bit(entry, 59);
  return decoded;
}

}  // namespace

std::vector<TableLevel> table_levels(PagingMode mode, unsigned bits) {
  switch (mode) {
    case PagingMode::Off:
      return {};
    case PagingMode::X86Legacy:
      return {{.number = 2, .shift = 22, .bits = 10}, {.number = 1, .shift = 12, .bits = 10}};
    case PagingMode::X86Pae: {
      auto levels = x86_levels(3);
      levels.front().bits = 2;
      return levels;
    }
    case PagingMode::X86Long4:
      return x86_levels(4);
    case PagingMode::X86Long5:
      return x86_levels(5);
    case PagingMode::Arm4K:
    case PagingMode::Arm16K:
    case PagingMode::Arm64K:
      return arm_levels(granule_shift(mode), bits);
  }
  return {};
}

unsigned entry_bytes(PagingMode mode) {
  return mode == PagingMode::X86Legacy ? 4 : 8;
}

TableEntry decode_entry(PagingMode mode, const TableLevel& level, uint64_t entry, bool is_last,
                        bool large_pages) {
  if (mode == PagingMode::X86Legacy) return decode_legacy(entry, is_last, large_pages);
  if (is_arm(mode)) return decode_arm(mode, level, entry, is_last);
  return decode_x86(mode, level, entry, is_last);
}

}  // namespace vmstream
