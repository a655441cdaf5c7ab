// SPDX-License-Identifier: MIT
// Tells where a pass of the sender over the RAM ends and the next begins.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include <vmstream/ram_usage.h>

namespace vmstream::analysis {

/// A page's place in the sender's order: blocks as listed, pages ascending.
struct PagePlace {
  size_t block = 0;
  uint64_t offset = 0;
  auto operator<=>(const PagePlace&) const = default;
};

/// Fed with every page record in stream order. See RamUsageCollector for the rule.
class PassFinder {
 public:
  /// `first_time`: the page was never sent before. `bytes`: of the record.
  void add(const PagePlace& place, const Page& page, bool first_time, uint64_t bytes);
  /// What comes now is asked for by the guest.
  void enter_postcopy();

  /// Whether there were more than kMostPasses.
  bool left_out() const { return left_out_; }
  std::vector<RamPass> take_passes() { return std::move(passes_); }

 private:
  // Compression threads are this many pages out of order at most, unless somebody asked for many
  // more of them than the usual eight.
  static constexpr uint64_t kThreadPages = 64;

  bool begins_pass(const PagePlace& place, const Page& page, bool first_time);
  bool is_late_thread(const PagePlace& place, const Page& page) const;
  void note(const PagePlace& place, const Page& page);

  std::vector<RamPass> passes_;
  PagePlace last_;
  PagePlace highest_;    // of this pass
  uint64_t recent_ = 0;  // bit i: the page i before highest_ was sent in this pass
  bool left_out_ = false;
  bool threads_ = false;
  bool postcopy_ = false;
};

}  // namespace vmstream::analysis
