// SPDX-License-Identifier: MIT
#include "state/page_collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vmstream {
namespace {

constexpr uint64_t kWordBytes = 8;
// Of a block without a single page: its layers here, and in the map an empty list of runs, which
// allocates.
constexpr uint64_t kBlockBytes = sizeof(PageLayers) + 700;

// From a record's place to that of the record behind it, were its block's name left out.
uint64_t stride_of(const Page& page, PagePlace place) {
  if (page.offset == page.payload_offset) return page.size;  // mapped-ram: places, no records
  return page.payload_offset + page.payload.size() - place.offset() + kWordBytes;
}

}  // namespace

void PageCollector::set_block_count(size_t count) {
  run_ = nullptr;
  if (count > blocks_.size() && !given_up_) blocks_.resize(count);
  check_memory();
}

void PageCollector::set_page_size(uint32_t bytes) {
  page_size_known_ = true;
  uint32_t old = std::exchange(page_size_, bytes);
  run_ = nullptr;
  if (old == 0 || old == bytes) return;
  runs_ = 0;
  for (size_t number = 0; number < blocks_.size(); ++number) {
    for (const PageRun& run : blocks_[number].take()) {
      for (uint64_t page = run.page; page < run.end() && !given_up_; ++page) {
        add_run(number, {page * old / bytes, 1, run.stride, run.place_of(page)});
      }
    }
    if (given_up_) return;
  }
}

// A page that begins where none could refutes a guess that was too large, one with data any guess.
void PageCollector::learn_page_size(const Page& page) {
  if (page_size_known_) return;
  bool is_mapped = page.offset == page.payload_offset;
  if (page.kind == PageKind::Data || is_mapped) return set_page_size(page.size);
  uint32_t size = page_size_ == 0 ? page.size : page_size_;
  uint64_t lowest_bit = page.block_offset & (~page.block_offset + 1);
  if (lowest_bit != 0 && lowest_bit < size) size = static_cast<uint32_t>(lowest_bit);
  if (size == page_size_) return;
  set_page_size(size);
  page_size_known_ = false;
}

void PageCollector::begin_run(size_t number, const Page& page, PagePlace place) {
  if (given_up_) return;
  learn_page_size(page);
  uint64_t stride = stride_of(page, place);
  if (page.payload_offset > PagePlace::kMostOffset - stride) {
    return give_up(fmt::format("a page stands behind offset {:#x}", PagePlace::kMostOffset));
  }
  uint64_t page_number = page.block_offset / page_size_;
  if (page.kind == PageKind::Xbzrle) add_delta(number, page_number, place);
  if (given_up_) return;
  PageRun run{page_number, 1, static_cast<uint32_t>(stride), place};
  if (number != block_ || !extend_pair(run)) add_run(number, run);
  if (given_up_) return;
  run_ = blocks_[number].last();
  block_ = number;
  next_offset_ = page.block_offset + page_size_;
  next_place_ = place.later(run_->stride);
  // The page before is looked up for each delta.
  if (page.kind == PageKind::Xbzrle) run_ = nullptr;
}

// Two pages make a run whatever their distance in the stream.
bool PageCollector::extend_pair(const PageRun& next) {
  if (!run_ || run_->count != 1 || run_->page + 1 != next.page) return false;
  if (next.place.offset() <= run_->place.offset()) return false;
  uint64_t stride = next.place.offset() - run_->place.offset();
  if (stride > UINT32_MAX || run_->place.later(stride) != next.place) return false;
  run_->stride = static_cast<uint32_t>(stride);
  run_->count = 2;
  return true;
}

void PageCollector::add_run(size_t number, const PageRun& run) {
  PageLayers& layers = blocks_[number];
  runs_ -= layers.size();
  layers.add(run);
  runs_ += layers.size();
  check_memory();
}

// A layer of its own, of runs that lead to no place.
void PageCollector::discard(size_t number, uint64_t start, uint64_t length) {
  run_ = nullptr;
  if (given_up_ || page_size_ == 0 || length == 0) return;
  uint64_t end = (start + length - 1) / page_size_ + 1;
  for (uint64_t page = start / page_size_; page < end && !given_up_;) {
    auto count = static_cast<uint32_t>(std::min<uint64_t>(end - page, UINT32_MAX));
    add_run(number, {page, count, 0, PagePlace()});
    page += count;
  }
}

void PageCollector::add_delta(size_t number, uint64_t page, PagePlace place) {
  PageLayers& layers = blocks_[number];
  runs_ -= layers.size();
  deltas_.push_back({place.offset(), layers.find(page).value_or(PagePlace())});
  runs_ += layers.size();
  run_ = nullptr;
  check_memory();
}

void PageCollector::check_memory() {
  uint64_t bytes =
      runs_ * sizeof(PageRun) + deltas_.size() * sizeof(PageDelta) + blocks_.size() * kBlockBytes;
  if (bytes > most_bytes_) give_up(fmt::format("more than {} bytes", most_bytes_));
}

void PageCollector::give_up(std::string reason) {
  if (!given_up_) given_up_ = std::move(reason);
  run_ = nullptr;
  blocks_ = {};
  deltas_ = {};
  runs_ = 0;
}

PageMap PageCollector::take() {
  run_ = nullptr;
  std::vector<PageRuns> blocks(blocks_.size());
  for (size_t number = 0; number < blocks.size(); ++number) {
    blocks[number] = blocks_[number].take();
    std::erase_if(blocks[number], [](const PageRun& run) { return !run.place.is_sent(); });
  }
  blocks_ = {};
  drop_unreachable_deltas(blocks);
  return PageMap(page_size_, std::move(blocks), std::exchange(deltas_, {}));
}

// Those of pages that were sent whole later.
void PageCollector::drop_unreachable_deltas(const std::vector<PageRuns>& blocks) {
  std::vector<bool> reached(deltas_.size());
  auto follow = [&](PagePlace place) {
    while (place.kind() == PageKind::Xbzrle) {
      auto delta = std::ranges::lower_bound(deltas_, place.offset(), {}, &PageDelta::offset);
      reached[static_cast<size_t>(delta - deltas_.begin())] = true;
      place = delta->before;
    }
  };
  for (const PageRuns& runs : blocks) {
    for (const PageRun& run : runs) {
      if (run.place.kind() != PageKind::Xbzrle) continue;
      for (uint64_t page = run.page; page < run.end(); ++page) follow(run.place_of(page));
    }
  }
  std::deque<PageDelta> kept;
  for (size_t i = 0; !deltas_.empty(); ++i, deltas_.pop_front()) {
    if (reached[i]) kept.push_back(deltas_.front());
  }
  deltas_ = std::move(kept);
}

}  // namespace vmstream
