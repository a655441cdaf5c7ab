// SPDX-License-Identifier: MIT
#include "analysis/names/section_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "format/ram/ram_records.h"
#include "format/wire.h"

#include <vmstream/text.h>
#include "base/byte_reader.h"

namespace vmstream {
namespace {

struct FlagName {
  uint64_t bit = 0;
  std::string_view name;
};

// Those of `table` that are set, with a space between them.
std::string flag_names(std::span<const FlagName> table, uint64_t flags) {
  std::string names;
  for (const FlagName& flag : table) {
    if ((flags & flag.bit) == 0) continue;
    if (!names.empty()) names += ' ';
    names += flag.name;
  }
  return names;
}

constexpr std::array kRamFlags{
    FlagName{wire::kRamZero, "zero"},
    FlagName{wire::kRamMemSize, "mem-size"},
    FlagName{wire::kRamPage, "page"},
    FlagName{wire::kRamEos, "eos"},
    FlagName{wire::kRamContinue, "continue"},
    FlagName{wire::kRamXbzrle, "xbzrle"},
    FlagName{wire::kRamHook, "hook"},
    FlagName{wire::kRamCompressPage, "compress"},
    FlagName{wire::kRamMultifdFlush, "multifd-flush"},
};

}  // namespace

void RamNames::name_blocks(const RamBlockList& list) {
  end_row();
  out_.flush();
  if (list.offset >= out_.offset()) {
    blocks_named_ = 0;
    out_.number(list.total_bytes | wire::kRamMemSize, wire::kRamWordBytes,
                fmt::format("RAM {:#x} bytes, flags 0x4: mem-size", list.total_bytes));
  }
  for (; blocks_named_ < list.blocks.size(); ++blocks_named_) {
    name_block(list.blocks[blocks_named_]);
  }
}

void RamNames::name_block(const RamBlock& block) {
  out_.advance_to(block.offset, "not told");
  out_.counted("RAM block", block.name);
  out_.number(block.used_length, 8, fmt::format("length {:#x}", block.used_length));
  if (block.page_size) {
    out_.number(*block.page_size, 8, fmt::format("page size {}", *block.page_size));
  }
  if (block.guest_address) {
    out_.number(*block.guest_address, 8, fmt::format("guest address {:#x}", *block.guest_address));
  }
  if (block.mapped) name_mapped_header(*block.mapped);
}

void RamNames::name_mapped_header(const MappedRam& mapped) {
  out_.number(wire::kMappedVersion, 4, "mapped-ram header version 1");
  out_.number(mapped.page_size, 8, fmt::format("page size {}", mapped.page_size));
  out_.number(mapped.bitmap_offset, 8,
              fmt::format("bitmap at {:#x} of the file", mapped.bitmap_offset));
  out_.number(mapped.pages_offset, 8,
              fmt::format("pages at {:#x} of the file", mapped.pages_offset));
}

void RamNames::name_page(const Page& page) {
  uint64_t end = page.payload_offset + page.payload.size();
  bool first = std::exchange(first_of_section_, false) || !page.continued;
  bool mapped = page.block && page.block->mapped;
  if (!out_.shows_all() && (!first || mapped)) return add_to_row(page, end);
  end_row();
  if (out_.wants(end - page.offset)) {
    name_record(page);
  } else {
    out_.count(end - page.offset, ByteKind::Page, {});
  }
}

void RamNames::name_record(const Page& page) {
  std::string place = fmt::format("page {:#x}", page.block_offset);
  if (page.block && page.block->mapped) {
    bool stored = page.kind == PageKind::Data;
    out_.bytes(page.payload, ByteKind::Page,
               fmt::format("{} of '{}', {}", place, escape(page.block->name),
                           stored ? "stored" : "absent"));
    return;
  }
  name_word(page.block_offset, page_flags(page));
  if (page.block && !page.continued) out_.counted("block", page.block->name);
  switch (page.kind) {
    case PageKind::Zero:
    case PageKind::Fill:
      out_.number(page.fill, 1, fmt::format("every byte is {:#04x}", page.fill), ByteKind::Page);
      return;
    case PageKind::Xbzrle:
      out_.number(wire::kXbzrleEncoding, 1, "encoding: xbzrle");
      out_.number(page.payload.size(), 2, fmt::format("{} bytes of delta", page.payload.size()));
      break;
    case PageKind::Compressed:
      out_.number(page.payload.size(), 4, fmt::format("{} bytes of zlib", page.payload.size()));
      break;
    case PageKind::Data:
      break;
  }
  out_.bytes(page.payload, ByteKind::Page, fmt::format("content of {}", place));
}

void RamNames::name_word(uint64_t block_offset, uint64_t flags) {
  out_.number(block_offset | flags, wire::kRamWordBytes,
              fmt::format("page {:#x}, flags {:#x}: {}", block_offset, flags,
                          flag_names(kRamFlags, flags)));
}

void RamNames::add_to_row(const Page& page, uint64_t end) {
  if (!row_) row_ = Row{.first = page.block_offset};
  row_->last = page.block_offset;
  row_->end = end;
  ++row_->pages;
  if (page.kind == PageKind::Data) ++row_->data_pages;
  if (page.kind == PageKind::Zero) ++row_->zero_pages;
}

void RamNames::end_row() {
  auto row = std::exchange(row_, std::nullopt);
  if (!row) return;
  out_.count(row->end - out_.offset(), ByteKind::Page,
             fmt::format("{} more pages, {:#x} to {:#x}: {} data, {} zero", row->pages, row->first,
                         row->last, row->data_pages, row->zero_pages));
}

void RamNames::name_mark(RamMark mark) {
  end_row();
  switch (mark) {
    case RamMark::EndOfSlice:
      out_.number(wire::kRamEos, wire::kRamWordBytes, "flags 0x10: eos, end of this slice");
      break;
    case RamMark::MultifdFlush:
      out_.number(wire::kRamMultifdFlush, wire::kRamWordBytes, "flags 0x200: multifd-flush");
      break;
    case RamMark::Hook:
      out_.number(wire::kRamHook, wire::kRamWordBytes, "flags 0x80: hook");
      break;
  }
}

std::optional<std::string> RamNames::name_broken_page(std::span<const std::byte>& bytes) {
  ByteReader in(bytes);
  auto word = in.be<uint64_t>("record");
  uint64_t flags = word & wire::kRamFlagMask;
  if (!in.ok() || !is_page_kind(flags & ~wire::kRamContinue)) return std::nullopt;
  uint64_t block_offset = word & ~wire::kRamFlagMask;
  name_word(block_offset, flags);
  bytes = in.rest();
  return fmt::format("page {:#x} from here on: breaks off", block_offset);
}

namespace {

constexpr std::array kBlockFlags{
    FlagName{wire::kBlockDevice, "device"},
    FlagName{wire::kBlockEos, "eos"},
    FlagName{wire::kBlockProgress, "progress"},
    FlagName{wire::kBlockZero, "zero"},
};
constexpr size_t kWordBytes = 8;  // sector << 9 | flags
constexpr int kSectorShift = 9;

}  // namespace

void DiskNames::name_piece(std::span<const std::byte> bytes) {
  if (chunk_left_ > 0 || bytes.size() < kWordBytes) {
    chunk_left_ -= std::min<uint64_t>(chunk_left_, bytes.size());
    out_.piece(bytes, ByteKind::Page, "disk data");
    return;
  }
  ByteReader in(bytes);
  auto word = in.be<uint64_t>("word");
  uint64_t flags = word & wire::kBlockFlagMask;
  uint64_t sector = word >> kSectorShift;
  out_.number(word, kWordBytes,
              fmt::format("flags {:#04x}: {}{}", flags, flag_names(kBlockFlags, flags),
                          sector ? fmt::format(", sector {}", sector) : ""));
  if (bytes.size() == kWordBytes) return;
  out_.counted("disk", in.counted_string("disk"));
  chunk_left_ = flags & wire::kBlockZero ? 0 : wire::kBlockChunkBytes;
}

}  // namespace vmstream
