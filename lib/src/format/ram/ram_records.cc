// SPDX-License-Identifier: MIT
#include "format/ram/ram_records.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// Whether one more word belongs to the entry that `in` is in. Before another entry the next byte
// would be the length of a name, which is never 0, while the words possible here begin with 0.
// Behind the last entry a record follows, and every record sets a flag in the low bits.
bool has_another_word(ByteReader& in, bool last_entry) {
  ByteReader ahead = in;
  bool another =
      last_entry
          ? (ahead.be<uint64_t>("the record behind the block list") & wire::kRamFlagMask) == 0
          : ahead.be<uint8_t>("the next entry of the block list") == 0;
  if (!ahead.ok()) in = ahead;
  return ahead.ok() && another;
}

MappedRam read_mapped_header(ByteReader& in) {
  MappedRam mapped;
  auto version = in.be<uint32_t>("mapped-ram header version");
  mapped.version = version;
  if (in.ok() && version > wire::kMappedVersion) {
    in.fail(
        Errc::Unsupported, in.last_offset(),
        fmt::format("mapped-ram header has version {}, wanted {}", version, wire::kMappedVersion));
  }
  mapped.page_size = in.be<uint64_t>("mapped-ram page size");
  mapped.bitmap_offset = in.be<uint64_t>("mapped-ram bitmap offset");
  mapped.pages_offset = in.be<uint64_t>("mapped-ram pages offset");
  return mapped;
}

}  // namespace

RamBlock read_block_entry(ByteReader& in, const BlockEntryShape& shape) {
  RamBlock block;
  block.offset = in.offset();
  block.name = in.counted_string("RAM block name");
  if (in.ok() && block.name.empty()) {
    in.fail(Errc::Malformed, in.last_offset(), "a RAM block has an empty name");
  }
  block.used_length = in.be<uint64_t>("RAM block length");
  if (in.ok() && block.used_length > shape.bytes_left) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("RAM block '{}' has {} bytes, {} are left of the total", escape(block.name),
                        block.used_length, shape.bytes_left));
  }
  bool last_entry = block.used_length == shape.bytes_left;
  uint64_t word = shape.ignore_shared ? in.be<uint64_t>("guest address") : 0;
  if (!shape.mapped_ram && has_another_word(in, last_entry)) {
    if (shape.ignore_shared) block.page_size = word;
    word = in.be<uint64_t>(shape.ignore_shared ? "guest address" : "RAM block page size");
    if (!shape.ignore_shared) block.page_size = word;
  }
  if (shape.ignore_shared) block.guest_address = word;
  if (shape.mapped_ram) block.mapped = read_mapped_header(in);
  return block;
}

Status append_block_entry(Bytes& out, const RamBlock& block) {
  if (auto status = append_counted_string(out, block.name); !status) return status;
  append_be(out, block.used_length);
  if (block.page_size) append_be(out, *block.page_size);
  if (block.guest_address) append_be(out, *block.guest_address);
  if (block.mapped) {
    append_be(out, block.mapped->version);
    append_be(out, block.mapped->page_size);
    append_be(out, block.mapped->bitmap_offset);
    append_be(out, block.mapped->pages_offset);
  }
  return ok();
}

uint64_t page_flags(const Page& page) {
  uint64_t continued = page.continued ? wire::kRamContinue : 0;
  switch (page.kind) {
    case PageKind::Zero:
    case PageKind::Fill:
      return wire::kRamZero | continued;
    case PageKind::Data:
      return wire::kRamPage | continued;
    case PageKind::Xbzrle:
      return wire::kRamXbzrle | continued;
    case PageKind::Compressed:
      return wire::kRamCompressPage | continued;
  }
  return continued;
}

Status append_page(Bytes& out, const Page& page) {
  append_be(out, page.block_offset | page_flags(page));
  if (!page.continued && page.block) {
    if (auto status = append_counted_string(out, page.block->name); !status) return status;
  }
  switch (page.kind) {
    case PageKind::Zero:
    case PageKind::Fill:
      append_be(out, page.fill);
      return ok();
    case PageKind::Data:
      break;
    case PageKind::Xbzrle:
      append_be(out, wire::kXbzrleEncoding);
      append_be(out, static_cast<uint16_t>(page.payload.size()));
      break;
    case PageKind::Compressed:
      append_be(out, static_cast<uint32_t>(page.payload.size()));
      break;
  }
  append_bytes(out, page.payload);
  return ok();
}

void append_ram_mark(Bytes& out, RamMark mark) {
  switch (mark) {
    case RamMark::EndOfSlice:
      append_be(out, wire::kRamEos);
      return;
    case RamMark::MultifdFlush:
      append_be(out, wire::kRamMultifdFlush);
      return;
    case RamMark::Hook:
      append_be(out, wire::kRamHook);
      return;
  }
}

Result<RamDiscard> read_ram_discard(const Command& command) {
  ByteReader in(command.payload, command.offset);
  auto version = in.be<uint8_t>("discard version");
  RamDiscard discard;
  discard.block = in.counted_string("name of the discarded block");
  auto zero = in.be<uint8_t>("end of the block's name");
  if (in.ok() && (version != 0 || zero != 0)) {
    return malformed(command.offset, fmt::format("RAM_DISCARD of version {}, wanted 0", version));
  }
  while (in.ok() && in.remaining() > 0) {
    auto start = in.be<uint64_t>("start of the discarded range");
    auto length = in.be<uint64_t>("length of the discarded range");
    discard.ranges.push_back({start, length});
  }
  if (!in.ok()) return malformed(command.offset, "RAM_DISCARD: " + in.error().message);
  return discard;
}

}  // namespace vmstream
