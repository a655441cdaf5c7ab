// SPDX-License-Identifier: MIT
// The records of the ram section, read and written: entries of the block list, and pages.
#pragma once

#include <bit>
#include <cstdint>

#include <vmstream/format.h>
#include "base/byte_reader.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {

/// Which optional words an entry of the block list carries.
struct BlockEntryShape {
  bool ignore_shared = false;
  bool mapped_ram = false;
  uint64_t bytes_left = 0;  ///< of the list's total, this entry included
};

/// Looks ahead at what follows the entry, for nothing else tells of the optional page-size word.
RamBlock read_block_entry(ByteReader& in, const BlockEntryShape& shape);
Status append_block_entry(Bytes& out, const RamBlock& block);

/// Whether the flags of a record, wire::kRamContinue apart, are those of one kind of page.
constexpr bool is_page_kind(uint64_t flags) {
  constexpr uint64_t kKinds =
      wire::kRamZero | wire::kRamPage | wire::kRamXbzrle | wire::kRamCompressPage;
  return (flags & kKinds) != 0 && std::has_single_bit(flags);
}
/// The flags of a page's record.
uint64_t page_flags(const Page& page);
/// A page record with its payload.
Status append_page(Bytes& out, const Page& page);
void append_ram_mark(Bytes& out, RamMark mark);

}  // namespace vmstream
