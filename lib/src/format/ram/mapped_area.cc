// SPDX-License-Identifier: MIT
#include "format/ram/mapped_area.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include <vmstream/text.h>
#include "base/endian.h"
#include "base/zero.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint64_t kMinPageBytes = 256;
constexpr uint64_t kMaxPageBytes = 65536;
constexpr uint64_t kBitmapWordBytes = 8;  // the bitmap is an array of the host's 64-bit words
constexpr uint64_t kGroupPages = 64;      // of one word

Error malformed_block(uint64_t at, const RamBlock& block, std::string_view what) {
  return malformed(at, fmt::format("mapped-ram block '{}': {}", escape(block.name), what));
}

}  // namespace

Status MappedArea::begin(const RamBlock& block, uint64_t position) {
  const MappedRam& mapped = *block.mapped;
  block_ = &block;
  bitmap_.clear();
  length_ = page_offset_ = bitmap_left_ = gap_left_ = 0;
  unjudged_.reset();
  if (mapped.bitmap_offset == 0 && mapped.pages_offset == 0)
    return ok();  // an ignored shared block
  page_bytes_ = mapped.page_size;
  if (!std::has_single_bit(page_bytes_) || page_bytes_ < kMinPageBytes ||
      page_bytes_ > kMaxPageBytes) {
    return malformed_block(position, block,
                           fmt::format("page size {} is not possible", page_bytes_));
  }
  uint64_t words = block.used_length / page_bytes_ / (8 * kBitmapWordBytes) + 1;
  if (words * kBitmapWordBytes > limits_.mapped_bitmap_bytes) {
    return Error{
        Errc::Unsupported,
        fmt::format("mapped-ram block '{}' has a bitmap of {} bytes, at most {} are kept",
                    escape(block.name), words * kBitmapWordBytes, limits_.mapped_bitmap_bytes),
        position};
  }
  uint64_t pages = (block.used_length + page_bytes_ - 1) / page_bytes_;
  bitmap_left_ = (pages + 63) / 64 * kBitmapWordBytes;
  if (mapped.pages_offset < mapped.bitmap_offset ||
      mapped.pages_offset - mapped.bitmap_offset < bitmap_left_) {
    return malformed_block(position, block,
                           fmt::format("pages at {:#x} overlap the bitmap of {} bytes at {:#x}",
                                       mapped.pages_offset, bitmap_left_, mapped.bitmap_offset));
  }
  uint64_t base = mapped.bitmap_offset - position;
  if (base != base_.value_or(base)) {
    return malformed_block(position, block,
                           fmt::format("its bitmap is at {:#x}, wanted {:#x}", mapped.bitmap_offset,
                                       position + *base_));
  }
  base_ = base;
  gap_left_ = mapped.pages_offset - mapped.bitmap_offset - bitmap_left_;
  length_ = block.used_length;
  return ok();
}

Result<Step> MappedArea::step(const Window& window) {
  if (shown_ == MappedPages::None) return take_unseen(window);
  if (bitmap_left_ > 0) return take_bitmap(window);
  if (gap_left_ > 0) return take_gap(window);
  return take_pages(window);
}

Result<Step> MappedArea::take_unseen(const Window& window) {
  auto count = static_cast<size_t>(std::min<uint64_t>(bytes_left(), window.bytes.size()));
  if (count == 0 && !done()) return Step{0, 1};
  if (auto skipped = skip(count, window.offset); !skipped) return skipped.error();
  return Step{count, 0};
}

Result<Step> MappedArea::take_bitmap(const Window& window) {
  auto count = static_cast<size_t>(std::min<uint64_t>(bitmap_left_, window.bytes.size()));
  if (count == 0) return Step{0, 1};
  auto view = window.bytes.first(count);
  bitmap_.insert(bitmap_.end(), view.begin(), view.end());
  bitmap_left_ -= count;
  if (bitmap_left_ == 0) judge_by_padding();
  if (auto status = visitor_.on_body(window.offset, view); !status) return status.error();
  return Step{count, 0};
}

Result<Step> MappedArea::take_gap(const Window& window) {
  auto count = static_cast<size_t>(std::min<uint64_t>(gap_left_, window.bytes.size()));
  if (count == 0) return Step{0, 1};
  gap_left_ -= count;
  if (auto status = visitor_.on_body(window.offset, window.bytes.first(count)); !status) {
    return status.error();
  }
  return Step{count, 0};
}

Result<Step> MappedArea::take_pages(const Window& window) {
  size_t at = 0;
  while (page_offset_ < length_) {
    size_t left = window.bytes.size() - at;
    if (is_open_question(page_offset_ / page_bytes_)) {
      auto group = static_cast<size_t>(group_bytes());
      if (left < group && !window.last) return Step{at, group};
      judge_by_content(window.bytes.subspan(at, std::min(left, group)));
    }
    auto count = static_cast<size_t>(std::min(page_bytes_, length_ - page_offset_));
    if (left < count) return Step{at, count};
    auto shown = show_page(window.offset + at, window.bytes.subspan(at, count));
    if (!shown) return shown.error();
    at += count;
  }
  return Step{at, 0};
}

Status MappedArea::show_page(uint64_t position, std::span<const std::byte> payload) {
  Page page{.block = block_,
            .block_offset = page_offset_,
            .kind = is_stored(page_offset_ / page_bytes_) ? PageKind::Data : PageKind::Zero,
            .size = static_cast<uint32_t>(page_bytes_),
            .offset = position,
            .payload_offset = position,
            .payload = payload};
  page_offset_ += std::min(page_bytes_, length_ - page_offset_);
  return visitor_.on_page(page);
}

uint64_t MappedArea::skippable() const {
  if (shown_ == MappedPages::None) return bytes_left();
  if (bitmap_left_ > 0) return 0;
  uint64_t end = page_offset_;
  while (end < length_) {
    uint64_t page = end / page_bytes_;
    if (is_open_question(page)) break;
    bool places_only = shown_ == MappedPages::Places;
    bool whole_group = page % kGroupPages == 0 && (places_only || word_at(page / kGroupPages) == 0);
    if (!places_only && !whole_group && is_stored(page)) break;
    end += std::min((whole_group ? kGroupPages : 1) * page_bytes_, length_ - end);
  }
  return gap_left_ + (end - page_offset_);
}

Status MappedArea::skip(uint64_t count, uint64_t position) {
  if (shown_ == MappedPages::None) {
    for (uint64_t* part : {&bitmap_left_, &gap_left_}) {
      uint64_t taken = std::min(count, *part);
      *part -= taken;
      count -= taken;
    }
    page_offset_ += count;
    return ok();
  }
  uint64_t end = position + count;
  uint64_t gap = std::min(count, gap_left_);
  gap_left_ -= gap;
  for (position += gap; position < end;) {
    uint64_t from = page_offset_;
    if (auto shown = show_page(position, {}); !shown) return shown;
    position += page_offset_ - from;
  }
  return ok();
}

// Of 64 pages, the first in the lowest bit.
uint64_t MappedArea::word_at(uint64_t group) const {
  const std::byte* bytes = bitmap_.data() + group * kBitmapWordBytes;
  auto big = load_be<uint64_t>(bytes);
  return big_endian_.value_or(false) ? big : __builtin_bswap64(big);
}

bool MappedArea::is_stored(uint64_t page_index) const {
  return ((word_at(page_index / kGroupPages) >> (page_index % kGroupPages)) & 1) != 0;
}

// Whether the next 64 pages are to be looked at before one of them is shown.
bool MappedArea::is_open_question(uint64_t page_index) const {
  if (big_endian_ || page_index % kGroupPages != 0) return false;
  uint64_t word = word_at(page_index / kGroupPages);
  return word != __builtin_bswap64(word) && unjudged_ != page_index / kGroupPages;
}

uint64_t MappedArea::group_bytes() const {
  return std::min(kGroupPages * page_bytes_, length_ - page_offset_);
}

// The bits behind the last page are clear in one order only.
void MappedArea::judge_by_padding() {
  uint64_t used = page_count() % kGroupPages;
  if (big_endian_ || used == 0) return;
  uint64_t little = word_at(page_count() / kGroupPages);
  bool fits_little = (little >> used) == 0;
  bool fits_big = (__builtin_bswap64(little) >> used) == 0;
  if (fits_little != fits_big) big_endian_ = fits_big;
}

// QEMU stores no page that is all zero, but leaves old content where a page has become so.
void MappedArea::judge_by_content(std::span<const std::byte> group) {
  uint64_t number = page_offset_ / page_bytes_ / kGroupPages;
  uint64_t little = word_at(number);
  uint64_t big = __builtin_bswap64(little);
  bool against_little = false;
  bool against_big = false;
  for (uint64_t i = 0; (i + 1) * page_bytes_ <= group.size(); ++i) {
    bool in_little = ((little >> i) & 1) != 0;
    bool in_big = ((big >> i) & 1) != 0;
    if (in_little == in_big) continue;
    if (!is_zero(
            group.subspan(static_cast<size_t>(i * page_bytes_), static_cast<size_t>(page_bytes_))))
      continue;
    (in_little ? against_little : against_big) = true;
  }
  unjudged_ = number;
  if (against_little != against_big) big_endian_ = against_little;
}

}  // namespace vmstream
