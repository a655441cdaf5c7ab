// SPDX-License-Identifier: MIT
// The records of the ram section, read and written: entries of the block list, and pages; and the
// command that takes pages back.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/result.h>
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
  return flags == wire::kRamZero || flags == wire::kRamPage || flags == wire::kRamXbzrle ||
         flags == wire::kRamCompressPage;
}
/// The flags of a page's record.
uint64_t page_flags(const Page& page);
/// A page record with its payload.
Status append_page(Bytes& out, const Page& page);
void append_ram_mark(Bytes& out, RamMark mark);

/// The command's content. QEMU's migration/savevm.c: a version of 0, the block's name with a zero
/// behind it, then a start and a length a range, in bytes.
struct RamDiscard {
  struct Range {
    uint64_t start = 0;
    uint64_t length = 0;
  };
  std::string_view block;  ///< views the command's payload
  std::vector<Range> ranges;
};
Result<RamDiscard> read_ram_discard(const Command& command);

}  // namespace vmstream
