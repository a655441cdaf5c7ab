// SPDX-License-Identifier: MIT
// Looking at a domain while its dump is read. The daemon may keep an answer until more of the dump
// has been read: so no look is waited for.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <vmstream/cancellation.h>
#include "guest/libvirt/running_domain.h"
#include "pipeline/call_apart.h"

namespace vmstream {

/// What a look has shown, between when it began and when it was answered.
struct DomainLook {
  Clock::time_point begun;
  Clock::time_point answered;
  DomainState state;
  DomainJob job;
};

/// Looks again and again, for as long as turn() is called.
class DomainWatch {
 public:
  /// The pause of a guest is known to within this.
  static constexpr auto kInterval = std::chrono::milliseconds(10);

  DomainWatch(std::shared_ptr<RunningDomain> domain, std::function<void(const DomainLook&)> tell)
      : domain_(std::move(domain)), tell_(std::move(tell)) {}

  /// Tells what has been seen since the last turn, and begins to look again where it is time.
  void turn();

 private:
  std::shared_ptr<RunningDomain> domain_;
  std::function<void(const DomainLook&)> tell_;
  std::optional<ApartCall<Result<DomainLook>>> look_;
  Clock::time_point next_ = Clock::now();
};

/// Adds up how long a guest stands still, by looks: at least as long as it does, as it may have
/// stopped right after it was last seen running.
class PauseMeter {
 public:
  /// `on_change` is told whether the guest stands still, each time that this changes.
  PauseMeter(bool runs, std::function<void(bool)> on_change)
      : on_change_(std::move(on_change)), stands_still_(!runs) {}

  void note(bool runs, Clock::time_point time) {
    if (runs != stands_still_) {  // as it was
      if (runs) last_seen_running_ = time;
      return;
    }
    stands_still_ = !runs;
    if (runs) pause_ += time - last_seen_running_;
    last_seen_running_ = runs ? time : last_seen_running_;
    on_change_(stands_still_);
  }
  double seconds(Clock::time_point now) const {
    auto all = pause_ + (stands_still_ ? now - last_seen_running_ : Clock::duration::zero());
    return std::chrono::duration<double>(all).count();
  }

 private:
  std::function<void(bool)> on_change_;
  bool stands_still_;
  Clock::time_point last_seen_running_ = Clock::now();
  Clock::duration pause_ = Clock::duration::zero();
};

}  // namespace vmstream
