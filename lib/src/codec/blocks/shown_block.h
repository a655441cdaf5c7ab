// SPDX-License-Identifier: MIT
// A block that was decoded whole and is given out as its reader has room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "pipeline/buffer.h"

namespace vmstream {

/// For stream decoders of formats whose blocks are decoded in one call.
class ShownBlock {
 public:
  /// Forgets what was held. Room for `length` bytes, to be filled and then made().
  std::span<std::byte> begin(size_t length) {
    plain_.clear();
    shown_ = 0;
    plain_.reserve(length);
    return plain_.room().first(length);
  }
  void made(size_t count) { plain_.extend(count); }

  /// Gives out as much as there is room for, and takes that off `out`.
  void show(std::span<std::byte>& out) {
    auto left = plain_.view().subspan(shown_);
    size_t count = std::min(left.size(), out.size());
    std::copy_n(left.begin(), count, out.begin());
    out = out.subspan(count);
    shown_ += count;
  }
  bool all_shown() const { return shown_ == plain_.size(); }

 private:
  Buffer plain_;
  size_t shown_ = 0;
};

}  // namespace vmstream
