// SPDX-License-Identifier: MIT
// What stands between a state file and a guest that would run on it.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/restore.h>
#include "guest/migration/progress_tap.h"
#include "guest/restore/stream_router.h"

namespace vmstream {

/// Hands a stream on by the turns of its router, and its end only once it has proved whole.
///
/// Two things wait here: bytes that the parser has not confirmed yet, bounded by ParseLimits, and
/// what the router holds until finish(), bounded by kMaxHeldBytes, in memory: what belongs to a
/// guest is not spilled to a disk. Bytes behind the stream are dropped.
class StreamGuard {
 public:
  static constexpr uint64_t kMaxHeldBytes = 256u << 20;

  /// `next` is borrowed. `on_decision` (may be empty) is called once, before the first byte that
  /// can start the guest or touch its disks is handed on.
  StreamGuard(ByteSink& next, RouteOptions options, ProgressTap::OnProgress on_progress = {},
              std::function<void()> on_decision = {})
      : accept_damaged_description_(options.accept_damaged_description),
        router_(std::move(options)),
        tap_(DigestMode::None, std::move(on_progress), &router_),
        next_(next),
        on_decision_(std::move(on_decision)) {}

  Status feed(std::span<const std::byte> bytes);
  /// The source has ended cleanly: checks that the stream is whole and releases the rest.
  Status finish();

  ProgressTap& tap() { return tap_; }
  /// Whether the point of no return has been passed.
  bool is_decided() const { return decided_; }
  /// Whether a postcopy stream was put together as a plain one.
  bool rebuilt() const { return router_.rebuilt(); }
  /// Whether a cut of the stream could have passed for its end.
  bool guessed_ends() const { return router_.guessed_ends(); }
  /// Why the description was left out. Known after finish().
  const std::optional<Error>& description_fault() const { return description_fault_; }
  /// Bytes behind the stream's end, which are dropped. Known after finish().
  uint64_t trailing_bytes() const;

 private:
  Status judge(const Error& fault);
  Status leave_out_description(const Error& fault);
  Status check_whole();
  uint64_t stream_end() const;
  uint64_t decided_offset() const;
  Status walk(std::span<const std::byte> bytes);
  Status take(Route route, std::span<const std::byte> bytes);
  Status hold(std::span<const std::byte> bytes);
  Status hand_on(std::span<const std::byte> bytes);
  void decide();
  void await(std::span<const std::byte> bytes);

  bool accept_damaged_description_;
  StreamRouter router_;
  ProgressTap tap_;
  ByteSink& next_;
  std::function<void()> on_decision_;
  std::optional<Error> description_fault_;
  bool decided_ = false;
  Route route_ = Route::Pass;
  uint64_t walked_ = 0;                 // offset of the first byte that has taken no route
  std::vector<std::byte> unconfirmed_;  // from walked_ on
  std::vector<std::byte> held_;
  std::span<const std::byte> tail_;
};

/// Feeds all of `source` to a guard and finishes the guard, not `next`.
Status guard_stream(ByteSource& source, StreamGuard& guard);

}  // namespace vmstream
