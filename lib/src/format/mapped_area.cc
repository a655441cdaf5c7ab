// SPDX-License-Identifier: MIT
#include "format/mapped_area.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr uint64_t kMinPageBytes = 256;
constexpr uint64_t kMaxPageBytes = 65536;
constexpr uint64_t kBitmapWordBytes = 8;  // the bitmap is an array of the host's 64-bit words

Error malformed(uint64_t at, const RamBlock& block, std::string_view what) {
  return Error{Errc::Malformed, fmt::format("mapped-ram block '{}': {}", escape(block.name), what),
               at};
}

}  // namespace

Status MappedArea::begin(const RamBlock& block, uint64_t position) {
  const MappedRam& mapped = *block.mapped;
  block_ = &block;
  bitmap_.clear();
  length_ = page_offset_ = bitmap_left_ = gap_left_ = 0;
  if (mapped.bitmap_offset == 0 && mapped.pages_offset == 0)
    return ok();  // an ignored shared block
  page_bytes_ = mapped.page_size;
  if (!std::has_single_bit(page_bytes_) || page_bytes_ < kMinPageBytes ||
      page_bytes_ > kMaxPageBytes) {
    return malformed(position, block, fmt::format("page size {} is not possible", page_bytes_));
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
    return malformed(position, block,
                     fmt::format("pages at {:#x} overlap the bitmap of {} bytes at {:#x}",
                                 mapped.pages_offset, bitmap_left_, mapped.bitmap_offset));
  }
  gap_left_ = mapped.pages_offset - mapped.bitmap_offset - bitmap_left_;
  length_ = block.used_length;
  return ok();
}

Result<Step> MappedArea::step(const Window& window) {
  if (bitmap_left_ > 0) return take_bitmap(window);
  if (gap_left_ > 0) return take_gap(window);
  return take_pages(window);
}

Result<Step> MappedArea::take_bitmap(const Window& window) {
  auto count = static_cast<size_t>(std::min<uint64_t>(bitmap_left_, window.bytes.size()));
  if (count == 0) return Step{0, 1};
  auto view = window.bytes.first(count);
  bitmap_.insert(bitmap_.end(), view.begin(), view.end());
  bitmap_left_ -= count;
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
  Page page{.block = block_};
  size_t at = 0;
  while (page_offset_ < length_) {
    auto count = static_cast<size_t>(std::min(page_bytes_, length_ - page_offset_));
    if (window.bytes.size() - at < count) return Step{at, count};
    page.block_offset = page_offset_;
    page.size = static_cast<uint32_t>(page_bytes_);
    page.kind = is_stored(page_offset_ / page_bytes_) ? PageKind::Data : PageKind::Zero;
    page.offset = page.payload_offset = window.offset + at;
    page.payload = window.bytes.subspan(at, count);
    if (auto status = visitor_.on_page(page); !status) return status.error();
    at += count;
    page_offset_ += count;
  }
  return Step{at, 0};
}

bool MappedArea::is_stored(uint64_t page_index) const {
  auto byte = std::to_integer<unsigned>(bitmap_[static_cast<size_t>(page_index / 8)]);
  return ((byte >> (page_index % 8)) & 1) != 0;
}

}  // namespace vmstream
