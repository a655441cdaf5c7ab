// SPDX-License-Identifier: MIT
// What the entries of page tables mean, for each mode.
#pragma once

#include <cstdint>
#include <vector>

#include <vmstream/address_space.h>

namespace vmstream {

/// One level of tables.
struct TableLevel {
  unsigned number = 0;  ///< as manuals count it, see WalkStep::level
  unsigned shift = 0;   ///< of the bits of an address that choose the entry
  unsigned bits = 0;    ///< so many

  uint64_t index_of(uint64_t address) const { return address >> shift & ((1ull << bits) - 1); }
};

/// An entry, decoded.
struct TableEntry {
  bool present = false;
  bool is_page = false;  ///< else it points to the next table
  uint64_t address = 0;  ///< of the page or the table, masked
  bool writable = false;
  bool user = false;
  bool executable = false;
};

/// The levels for an address of `bits` bits, root first; never empty but with paging off.
std::vector<TableLevel> table_levels(PagingMode mode, unsigned bits);
/// 4 or 8 bytes.
unsigned entry_bytes(PagingMode mode);
/// `is_last`: of the level that has pages only. `large_pages`: whether PSE is on, for X86Legacy.
TableEntry decode_entry(PagingMode mode, const TableLevel& level, uint64_t entry, bool is_last,
                        bool large_pages);

inline bool has_bit(uint64_t value, unsigned number) {
  return (value >> number & 1) != 0;
}

inline bool is_arm(PagingMode mode) {
  return mode == PagingMode::Arm4K || mode == PagingMode::Arm16K || mode == PagingMode::Arm64K;
}

}  // namespace vmstream
