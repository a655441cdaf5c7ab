// SPDX-License-Identifier: MIT
#include "state/page_layers.h"

#include <algorithm>
#include <utility>

namespace vmstream {
namespace {

constexpr size_t kLogRuns = 4096;  // 96 KiB: stays in the cache, and is worth a merge

PageRun front_of(const PageRun& run, uint64_t end) {
  PageRun front = run;
  front.count = static_cast<uint32_t>(end - run.page);
  return front;
}

PageRun rest_of(const PageRun& run, uint64_t start) {
  PageRun rest = run;
  rest.page = start;
  rest.count = static_cast<uint32_t>(run.end() - start);
  rest.place = run.place_of(start);
  return rest;
}

}  // namespace

PageRuns overlay(PageRuns older, PageRuns newer) {
  PageRuns merged;
  for (; !newer.empty(); newer.pop_front()) {
    const PageRun& top = newer.front();
    while (!older.empty() && older.front().page < top.page) {
      PageRun& low = older.front();
      if (low.end() <= top.page) {
        merged.push_back(low);
        older.pop_front();
      } else {
        merged.push_back(front_of(low, top.page));
        low = rest_of(low, top.page);
      }
    }
    while (!older.empty() && older.front().end() <= top.end()) older.pop_front();
    if (!older.empty() && older.front().page < top.end()) {
      older.front() = rest_of(older.front(), top.end());
    }
    merged.push_back(top);
  }
  if (merged.empty()) return older;
  for (; !older.empty(); older.pop_front()) merged.push_back(older.front());
  return merged;
}

uint64_t PageLayers::log_end() const {
  return log_.empty() ? 0 : std::max(sorted_end_, log_.back().end());
}

void PageLayers::add(const PageRun& run) {
  if (log_.size() == kLogRuns) seal();
  sorted_end_ = log_end();
  log_.push_back(run);
}

std::optional<PagePlace> PageLayers::find(uint64_t page) {
  if (page < log_end()) seal();
  for (size_t i = layers_.size(); i-- > 0;) {
    const PageRuns& runs = layers_[i];
    auto behind = std::ranges::upper_bound(runs, page, {}, &PageRun::page);
    if (behind == runs.begin()) continue;
    const PageRun& run = *std::prev(behind);
    if (page < run.end()) return run.place_of(page);
  }
  return std::nullopt;
}

PageRuns PageLayers::take() {
  seal();
  PageRuns all;
  while (!layers_.empty()) {
    all = overlay(std::move(layers_.back()), std::move(all));
    layers_.pop_back();
  }
  layered_ = 0;
  return all;
}

// Each ascending stretch of the log becomes a layer.
void PageLayers::seal() {
  PageRuns layer;
  for (const PageRun& run : log_) {
    if (!layer.empty() && run.page < layer.back().end()) push(std::exchange(layer, {}));
    layer.push_back(run);
  }
  if (!layer.empty()) push(std::move(layer));
  log_.clear();
  sorted_end_ = 0;
}

void PageLayers::push(PageRuns layer) {
  layered_ += layer.size();
  layers_.push_back(std::move(layer));
  while (layers_.size() > 1 && layers_[layers_.size() - 2].size() < 2 * layers_.back().size()) {
    PageRuns newer = std::move(layers_.back());
    layers_.pop_back();
    layered_ -= newer.size() + layers_.back().size();
    layers_.back() = overlay(std::move(layers_.back()), std::move(newer));
    layered_ += layers_.back().size();
  }
}

}  // namespace vmstream
