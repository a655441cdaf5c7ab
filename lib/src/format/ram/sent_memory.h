// SPDX-License-Identifier: MIT
// Whether a stream holds the memory that its block list announces.
#pragma once

#include <algorithm>
#include <cstdint>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

/// Told of a stream's records. The main connection of a multifd migration looks whole, but has the
/// zero pages at most: those with content went over other connections.
class SentMemory {
 public:
  void on_configuration(const Configuration& configuration) {
    const auto& names = configuration.capabilities;
    stays_outside_ = names && std::ranges::find(*names, "x-ignore-shared") != names->end();
  }
  void on_ram_blocks(const RamBlockList& list) {
    if (list.blocks.empty()) return;
    offset_ = list.offset;
    announced_bytes_ = 0;
    for (const RamBlock& block : list.blocks) announced_bytes_ += block.used_length;
  }
  void on_page(const Page& page) {
    has_content_ |= page.kind != PageKind::Zero;
    zero_bytes_ += page.size;
  }

  /// No page has content, and the zero pages are fewer than all: known at the stream's end.
  bool is_elsewhere() const {
    return !has_content_ && !stays_outside_ && zero_bytes_ < announced_bytes_;
  }
  /// Errc::Unsupported for such a stream, where the guest itself is wanted.
  Status check() const {
    if (!is_elsewhere()) return ok();
    return Error{Errc::Unsupported,
                 "the guest's memory is not in this stream: its pages went over other connections "
                 "(multifd)",
                 offset_};
  }
  /// Of the block list.
  uint64_t offset() const { return offset_; }

 private:
  bool stays_outside_ = false;  // in memory that is shared
  bool has_content_ = false;
  uint64_t zero_bytes_ = 0;
  uint64_t announced_bytes_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace vmstream
