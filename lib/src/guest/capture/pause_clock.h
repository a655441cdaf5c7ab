// SPDX-License-Identifier: MIT
// How long a guest stood still while it was saved.
#pragma once

#include <optional>

#include <vmstream/qmp.h>

namespace vmstream {

/// Adds up the times between STOP and RESUME, as QEMU stamps them: what passes before an event is
/// noticed here does not count.
class PauseClock {
 public:
  void on_event(const QmpEvent& event) {
    if (event.name == "STOP" && !stopped_at_) stopped_at_ = event.time;
    if (event.name != "RESUME" || !stopped_at_) return;
    seconds_ += event.time - *stopped_at_;
    stopped_at_.reset();
  }

  bool stands_still() const { return stopped_at_.has_value(); }
  /// Up to `now` where the guest still stands still; seconds since 1970, as in the events.
  double seconds(double now) const { return seconds_ + (stopped_at_ ? now - *stopped_at_ : 0); }

 private:
  std::optional<double> stopped_at_;
  double seconds_ = 0;
};

}  // namespace vmstream
