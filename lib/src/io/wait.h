// SPDX-License-Identifier: MIT
// The one place that waits for descriptors, and waits that a person should hear of.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include <vmstream/cancellation.h>

namespace vmstream {

/// How many descriptors wait_ready() takes. gpg has no more to be served.
constexpr size_t kMostWaitedFor = 15;

/// Waits until one of `descriptors` is ready, filling in `revents`. Fails with Errc::Interrupted or
/// Errc::TimedOut when a limit strikes first; `what` names the thing waited for in that message.
Status wait_ready(std::span<pollfd> descriptors, const WaitLimits& limits, const char* what);

/// The same for a single descriptor.
Status wait_ready(int fd, short events, const WaitLimits& limits, const char* what);

/// Waits up to `interval` for a limit to strike; ok() when none did.
Status pause_within(Clock::duration interval, const WaitLimits& limits, const char* what);

/// Whether `limits` already forbids to go on.
Status check_limits(const WaitLimits& limits, const char* what);

/// Limits under which a wait that has lasted for five seconds is told of, once.
class LongWait {
 public:
  /// A QEMU with much to load or to allocate takes seconds as well.
  static constexpr auto kPatience = std::chrono::seconds(5);

  LongWait(WaitLimits limits, std::function<void()> tell)
      : also_(limits.meanwhile), tell_(std::move(tell)), limits_(limits) {
    limits_.meanwhile = &meanwhile_;
  }
  LongWait(const LongWait&) = delete;
  LongWait& operator=(const LongWait&) = delete;

  /// Valid as long as this is.
  const WaitLimits& limits() const { return limits_; }

 private:
  void look() {
    if (also_) (*also_)();
    if (!tell_ || Clock::now() < due_) return;
    std::exchange(tell_, {})();
  }

  Clock::time_point due_ = Clock::now() + kPatience;
  const std::function<void()>* also_;
  std::function<void()> tell_;
  std::function<void()> meanwhile_ = [this] { look(); };
  WaitLimits limits_;
};

}  // namespace vmstream
