// SPDX-License-Identifier: MIT
#include "state/mapped_areas.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <vmstream/text.h>
#include "base/zero.h"
#include "format/ram/packed_page.h"
#include "format/ram/ram_records.h"

namespace vmstream {
namespace {

constexpr uint64_t kAlignment = 1u << 20;  // of pages in the file; QEMU's choice
constexpr uint64_t kGroupPages = 64;       // of a word of the bitmap
constexpr uint64_t kRunBytes = 1u << 20;   // written at once
// Of all blocks: bitmaps of 64 MiB, 2 TiB on a PC.
constexpr uint64_t kMostPages = (1ull << 29) - 1;

uint64_t align_up(uint64_t position) {
  return (position + kAlignment - 1) / kAlignment * kAlignment;
}

Error no_area(const RamBlock& block, std::string_view why) {
  return Error{Errc::Unsupported, fmt::format("RAM block '{}' {}", escape(block.name), why),
               block.offset};
}

Error malformed(const Page& page, std::string_view why) {
  return Error{Errc::Malformed,
               fmt::format("page {:#x} of RAM block '{}' {}", page.block_offset,
                           page.block ? escape(page.block->name) : "?", why),
               page.offset};
}

}  // namespace

void MappedAreas::Place::note(bool stored) const {
  uint64_t bit = uint64_t{1} << (page % kGroupPages);
  uint64_t& word = area.stored[page / kGroupPages];
  word = stored ? word | bit : word & ~bit;
}

Result<uint64_t> MappedAreas::lay_out(const RamBlockList& list, uint32_t page_bytes,
                                      uint64_t position) {
  page_bytes_ = page_bytes;
  uint64_t pages_left = kMostPages;
  for (const RamBlock& block : list.blocks) {
    if (block.used_length / page_bytes_ > pages_left) {
      return no_area(block, fmt::format("has {:#x} bytes: a mapped-ram file is written for {} "
                                        "pages of {} bytes at most",
                                        block.used_length, kMostPages, page_bytes_));
    }
    pages_left -= block.used_length / page_bytes_;
    auto area = make_area(block, position);
    if (!area) return area.error();
    position = area->pages_offset + area->length;
    areas_.push_back(std::move(*area));
  }
  return position;
}

Result<MappedAreas::Area> MappedAreas::make_area(const RamBlock& block, uint64_t position) const {
  if (block.guest_address || block.page_size || block.mapped) {
    return no_area(block, "is listed in a way that mapped-ram files do not have");
  }
  if (block.used_length % page_bytes_ != 0) {
    return no_area(block, fmt::format("has {:#x} bytes, which are no whole pages of {}",
                                      block.used_length, page_bytes_));
  }
  RamBlock entry = block;
  entry.mapped = MappedRam{.page_size = page_bytes_};
  Bytes bytes;
  if (auto sized = append_block_entry(bytes, entry); !sized) return sized.error();
  uint64_t words = (block.used_length / page_bytes_ + kGroupPages - 1) / kGroupPages;
  Area area{.name = block.name,
            .length = block.used_length,
            .bitmap_offset = position + bytes.size(),
            .stored = std::vector<uint64_t>(static_cast<size_t>(words))};
  area.pages_offset = align_up(area.bitmap_offset + words * sizeof(uint64_t));
  entry.mapped->bitmap_offset = area.bitmap_offset;
  entry.mapped->pages_offset = area.pages_offset;
  bytes.clear();
  auto written = append_block_entry(bytes, entry);
  if (written) written = file_.write_at(position, bytes);
  if (!written) return written.error();
  return area;
}

// Pages come block by block.
Result<MappedAreas::Place> MappedAreas::find(const Page& page) {
  if (!page.block) return malformed(page, "is not named");
  if (last_area_ >= areas_.size() || areas_[last_area_].name != page.block->name) {
    auto found = std::ranges::find(areas_, page.block->name, &Area::name);
    if (found == areas_.end()) return malformed(page, "is of no block that is listed");
    last_area_ = static_cast<size_t>(found - areas_.begin());
  }
  Area& area = areas_[last_area_];
  if (page.block_offset % page_bytes_ != 0 || page.block_offset >= area.length) {
    return malformed(
        page, fmt::format("is none of the {:#x} bytes in pages of {}", area.length, page_bytes_));
  }
  return Place{area, page.block_offset / page_bytes_, area.pages_offset + page.block_offset};
}

Status MappedAreas::take(const Page& page) {
  auto place = find(page);
  if (!place) return place.error();
  if (page.kind == PageKind::Zero || (page.kind == PageKind::Fill && page.fill == 0)) {
    return clear(*place);
  }
  if (page.kind != PageKind::Data) return change(*place, page);
  if (page.payload.size() == page_bytes_) return store(*place, page.payload);
  return malformed(page, fmt::format("has {} bytes, wanted {}", page.payload.size(), page_bytes_));
}

// A page that is not there as it stands in the record.
Status MappedAreas::change(const Place& place, const Page& page) {
  if (auto fetched = fetch(place); !fetched) return fetched;
  bool good = true;
  if (page.kind == PageKind::Fill) std::ranges::fill(content_, std::byte{page.fill});
  if (page.kind == PageKind::Xbzrle) good = apply_xbzrle(page.payload, content_);
  if (page.kind == PageKind::Compressed) good = inflate_page(page.payload, content_);
  if (good) return store(place, content_);
  return malformed(page, fmt::format("cannot be unpacked from its {} record", name_of(page.kind)));
}

// As it was sent last.
Status MappedAreas::fetch(const Place& place) {
  content_.assign(static_cast<size_t>(page_bytes_), std::byte{0});
  if (!place.is_stored()) return ok();
  auto flushed = flush();
  return flushed ? file_.read_at(place.offset, content_) : flushed;
}

Status MappedAreas::store(const Place& place, std::span<const std::byte> content) {
  if (is_zero(content)) return clear(place);
  place.note(true);
  bool goes_on = run_offset_ + run_.size() == place.offset && run_.size() < kRunBytes;
  if (!goes_on) {
    if (auto flushed = flush(); !flushed) return flushed;
    run_offset_ = place.offset;
  }
  append_bytes(run_, content);
  return ok();
}

// Room is given back only where there is some.
Status MappedAreas::clear(const Place& place) {
  if (!place.is_stored()) return ok();
  place.note(false);
  auto flushed = flush();
  return flushed ? file_.clear_at(place.offset, page_bytes_) : flushed;
}

Status MappedAreas::flush() {
  if (run_.empty()) return ok();
  auto written = file_.write_at(run_offset_, run_);
  run_.clear();
  return written;
}

// The bitmap is in words of this machine, as QEMU's own.
Status MappedAreas::finish() {
  if (auto flushed = flush(); !flushed) return flushed;
  for (const Area& area : areas_) {
    auto written = file_.write_at(area.bitmap_offset, std::as_bytes(std::span(area.stored)));
    if (!written) return written;
  }
  return ok();
}

}  // namespace vmstream
