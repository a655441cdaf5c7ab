// SPDX-License-Identifier: MIT
// Puts a page map together from page records.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "state/page_layers.h"

namespace vmstream {

/// Fed with every page record of a stream. Gives up, for good and without an error, what would need
/// more memory than it may take.
///
/// The page size is a guess until a page with data shows it: zero pages in front of that one are
/// kept by their places and counted anew.
class PageCollector {
 public:
  explicit PageCollector(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  /// Blocks that the stream has, from now on at least.
  void set_block_count(size_t count);
  /// A page of block `number`. `page.block` tells blocks apart as long as set_block_count() is not
  /// called again.
  void add(size_t number, const Page& page) {
    PagePlace place = PagePlace::of(page);
    if (run_ && place == next_place_ && page.block_offset == next_offset_ && number == block_ &&
        run_->count != UINT32_MAX) {
      ++run_->count;
      next_offset_ += page_size_;
      next_place_ = place.later(run_->stride);
    } else {
      begin_run(number, page, place);
    }
  }
  /// The source has taken back `length` bytes of block `number`.
  void discard(size_t number, uint64_t start, uint64_t length);
  /// From a source that is surer than the pages were.
  void set_page_size(uint32_t bytes);
  bool knows_page_size() const { return page_size_known_; }
  uint32_t page_size() const { return page_size_; }

  void give_up(std::string reason);
  /// Why there will be no map.
  const std::optional<std::string>& given_up() const { return given_up_; }
  PageMap take();

 private:
  void begin_run(size_t number, const Page& page, PagePlace place);
  void learn_page_size(const Page& page);
  bool extend_pair(const PageRun& next);
  void add_run(size_t number, const PageRun& run);
  void add_delta(size_t number, uint64_t page, PagePlace place);
  void drop_unreachable_deltas(const std::vector<PageRuns>& blocks);
  void check_memory();

  uint64_t most_bytes_;
  std::vector<PageLayers> blocks_;
  std::deque<PageDelta> deltas_;
  uint64_t runs_ = 0;
  uint32_t page_size_ = 0;
  bool page_size_known_ = false;
  std::optional<std::string> given_up_;

  // The run that is being extended, and the page that would.
  PageRun* run_ = nullptr;
  size_t block_ = 0;
  uint64_t next_offset_ = 0;
  PagePlace next_place_;
};

}  // namespace vmstream
