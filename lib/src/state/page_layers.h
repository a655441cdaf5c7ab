// SPDX-License-Identifier: MIT
// The runs of one RAM block while its pages come, some of them again and again.
#pragma once

#include <optional>
#include <vector>

#include <vmstream/page_map.h>

namespace vmstream {

/// A log of the latest runs over layers of sorted ones, newer over older. A sender goes through its
/// pages in ascending order once a pass, so that the log is sorted as a rule; it becomes a layer
/// when it is long, or when an older page is asked for. Layers of like size are merged, so that
/// there are few, and a run is moved a number of times that grows with the logarithm of all.
class PageLayers {
 public:
  /// The newest run, for the caller to extend until the next call of anything here; null at first.
  PageRun* last() { return log_.empty() ? nullptr : &log_.back(); }
  void add(const PageRun& run);
  /// The newest place of a page.
  std::optional<PagePlace> find(uint64_t page);
  /// How many runs are held.
  size_t size() const { return log_.size() + layered_; }
  /// All of it as one layer. Nothing is left.
  PageRuns take();

 private:
  void seal();
  void push(PageRuns layer);
  uint64_t log_end() const;

  std::vector<PageRun> log_;
  uint64_t sorted_end_ = 0;       // highest end of the log's runs but the last
  std::vector<PageRuns> layers_;  // oldest and largest first
  size_t layered_ = 0;            // runs in layers_
};

/// `newer` laid over `older`. Frees what it has used as it goes, so that both and the outcome never
/// exist at once.
PageRuns overlay(PageRuns older, PageRuns newer);

}  // namespace vmstream
