// SPDX-License-Identifier: MIT
// The place of one RAM block in a mapped-ram file: bitmap, gap, pages; read as it flows by.
#pragma once

#include <vector>

#include <vmstream/parser.h>

#include "format/window.h"

namespace vmstream {

/// Walks the area behind a block's mapped-ram header. A page whose bit is set is shown as data, one
/// whose bit is clear as zero; bitmap and gap are shown as body bytes.
/// The bitmap is read as little-endian hosts write it; nothing in a file tells of another order.
class MappedArea {
 public:
  MappedArea(StreamVisitor& visitor, const ParseLimits& limits)
      : visitor_(visitor), limits_(limits) {}

  /// `block` must live until done(). `position` is where its header ended.
  Status begin(const RamBlock& block, uint64_t position);
  Result<Step> step(const Window& window);
  bool done() const { return bitmap_left_ == 0 && gap_left_ == 0 && page_offset_ == length_; }

 private:
  Result<Step> take_bitmap(const Window& window);
  Result<Step> take_gap(const Window& window);
  Result<Step> take_pages(const Window& window);
  bool is_stored(uint64_t page_index) const;

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  const RamBlock* block_ = nullptr;
  uint64_t length_ = 0;
  uint64_t page_bytes_ = 0;
  uint64_t bitmap_left_ = 0;
  uint64_t gap_left_ = 0;
  uint64_t page_offset_ = 0;  // in the block
  std::vector<std::byte> bitmap_;
};

}  // namespace vmstream
