// SPDX-License-Identifier: MIT
// What stands between a state file and a guest that would run on it.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/restore.h>
#include "guest/stream_tap.h"

namespace vmstream {

/// Hands a stream on as far as it has been recognised, and its end only once it has proved whole.
///
/// A receiver starts the guest on the EOF record. That record and all behind it, or more if so
/// asked, stay here until finish(), which is called after the source has ended cleanly. Memory is
/// bounded by what the parser may hold back (ParseLimits) and HoldBack's limit; bytes behind the
/// stream are dropped.
class StreamGuard {
 public:
  /// Both are borrowed. `before_end` (may be empty) is called when the stream has proved whole,
  /// before its end is handed on.
  StreamGuard(StreamTap& tap, ByteSink& next, std::function<void()> before_end = {},
              HoldBack hold_back = HoldBack::End)
      : tap_(tap), next_(next), before_end_(std::move(before_end)), hold_back_(hold_back) {}

  Status feed(std::span<const std::byte> bytes);
  /// The source has ended cleanly: checks that the stream is whole and releases the rest.
  Status finish();

  /// Bytes behind the stream's end, which are dropped. Known after finish().
  uint64_t trailing_bytes() const;

 private:
  uint64_t releasable_offset() const;
  uint64_t most_held_bytes() const;
  Status release(size_t count);
  void hold(std::span<const std::byte> bytes);

  StreamTap& tap_;
  ByteSink& next_;
  std::function<void()> before_end_;
  HoldBack hold_back_;
  uint64_t released_ = 0;        // offset of the first byte that has not been handed on
  std::vector<std::byte> held_;  // from released_ on
};

/// Feeds all of `source` to a guard and finishes the guard, not `next`.
Status guard_stream(ByteSource& source, StreamGuard& guard);

}  // namespace vmstream
