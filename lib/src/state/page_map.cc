// SPDX-License-Identifier: MIT
#include <vmstream/page_map.h>

#include <algorithm>
#include <utility>

namespace vmstream {

PageMap::PageMap(uint32_t page_size, std::vector<PageRuns> blocks, std::deque<PageDelta> deltas)
    : page_size_(page_size), blocks_(std::move(blocks)), deltas_(std::move(deltas)) {}

PageRuns::const_iterator PageMap::find_from(size_t block, uint64_t page) const {
  const PageRuns& runs = blocks_[block];
  auto behind = std::ranges::upper_bound(runs, page, {}, &PageRun::page);
  if (behind != runs.begin() && page < std::prev(behind)->end()) return std::prev(behind);
  return behind;
}

std::optional<PagePlace> PageMap::find(size_t block, uint64_t page) const {
  if (block >= blocks_.size()) return std::nullopt;
  auto run = find_from(block, page);
  if (run == blocks_[block].end() || page < run->page) return std::nullopt;
  return run->place_of(page);
}

std::optional<PagePlace> PageMap::find_before(uint64_t offset) const {
  auto found = std::ranges::lower_bound(deltas_, offset, {}, &PageDelta::offset);
  if (found == deltas_.end() || found->offset != offset) return std::nullopt;
  return found->before;
}

uint64_t PageMap::count_pages(size_t block) const {
  uint64_t pages = 0;
  for (const PageRun& run : blocks_[block]) pages += run.count;
  return pages;
}

}  // namespace vmstream
