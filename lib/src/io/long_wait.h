// SPDX-License-Identifier: MIT
// Waits that a person should hear of.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include <vmstream/cancellation.h>

namespace vmstream {

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
