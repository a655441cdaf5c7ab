// SPDX-License-Identifier: MIT
// The place of one RAM block in a mapped-ram file: bitmap, gap, pages; read as it flows by.
#pragma once

#include <optional>
#include <vector>

#include <vmstream/parser.h>
#include "format/records/window.h"

namespace vmstream {

/// Walks the area behind a block's mapped-ram header. A page whose bit is set is shown as data, one
/// whose bit is clear as zero; bitmap and gap are shown as body bytes.
///
/// The bitmap is an array of the writer's 64-bit words, and nothing in the file tells their byte
/// order. It is found out, once for all blocks, where the two orders disagree: bits behind the last
/// page are clear, and a page that was stored is not all zero. Until then little endian is assumed.
class MappedArea {
 public:
  MappedArea(StreamVisitor& visitor, const ParseLimits& limits)
      : visitor_(visitor), limits_(limits) {}

  void show(MappedPages shown) { shown_ = shown; }
  /// `block` must live until done(). `position` is where its header ended.
  Status begin(const RamBlock& block, uint64_t position);
  Result<Step> step(const Window& window);
  /// Where the stream begins in the file that places count from, once a block has told.
  std::optional<uint64_t> base() const { return base_; }
  bool done() const { return bitmap_left_ == 0 && gap_left_ == 0 && page_offset_ == length_; }

  /// Bytes from here on that skip() takes; see StreamParser::skippable().
  uint64_t skippable() const;
  /// `count` is at most skippable(); `position` is that of the first byte.
  Status skip(uint64_t count, uint64_t position);

 private:
  Result<Step> take_unseen(const Window& window);
  Result<Step> take_bitmap(const Window& window);
  Result<Step> take_gap(const Window& window);
  Result<Step> take_pages(const Window& window);
  Status show_page(uint64_t position, std::span<const std::byte> payload);
  uint64_t bytes_left() const { return bitmap_left_ + gap_left_ + (length_ - page_offset_); }

  uint64_t page_count() const { return (length_ + page_bytes_ - 1) / page_bytes_; }
  uint64_t word_at(uint64_t group) const;
  bool is_stored(uint64_t page_index) const;
  bool is_open_question(uint64_t page_index) const;
  uint64_t group_bytes() const;
  void judge_by_padding();
  void judge_by_content(std::span<const std::byte> group);

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  MappedPages shown_ = MappedPages::Content;
  const RamBlock* block_ = nullptr;
  uint64_t length_ = 0;
  std::optional<uint64_t> base_;  // of the file, where the stream begins in it
  uint64_t page_bytes_ = 0;
  uint64_t bitmap_left_ = 0;
  uint64_t gap_left_ = 0;
  uint64_t page_offset_ = 0;  // in the block
  std::vector<std::byte> bitmap_;
  std::optional<bool> big_endian_;    // of the words, once it is known
  std::optional<uint64_t> unjudged_;  // the group whose content has left it open
};

}  // namespace vmstream
