// SPDX-License-Identifier: MIT
// Which entries of a block list are new.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include <vmstream/format.h>

namespace vmstream {

/// A mapped-ram stream shows its list again with each block, one entry longer. Whoever looked at
/// all of it each time would take a time that grows with the square of its length.
class ListProgress {
 public:
  /// The entries that were not there when the list was shown before.
  std::span<const RamBlock> new_entries(const RamBlockList& list) {
    bool goes_on = offset_ == list.offset;
    size_t first = goes_on ? std::min(seen_, list.blocks.size()) : 0;
    offset_ = list.offset;
    seen_ = list.blocks.size();
    return std::span(list.blocks).subspan(first);
  }

 private:
  std::optional<uint64_t> offset_;  // of the list shown last
  size_t seen_ = 0;
};

}  // namespace vmstream
