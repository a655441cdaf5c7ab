// SPDX-License-Identifier: MIT
// Whom the monitor's events concern while a guest is saved, and how long it stands still.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include <vmstream/qmp.h>
#include "guest/capture/live_save.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

/// Adds up the times between STOP and RESUME, as QEMU stamps them: what passes before an event is
/// noticed here does not count.
class PauseClock {
 public:
  PauseClock() = default;
  /// `on_change` is told whether the guest stands still, each time that this changes.
  explicit PauseClock(std::function<void(bool)> on_change) : on_change_(std::move(on_change)) {}

  void on_event(const QmpEvent& event) {
    if (event.name == "STOP" && !stopped_at_) {
      stopped_at_ = event.time;
    } else if (event.name == "RESUME" && stopped_at_) {
      seconds_ += event.time - *stopped_at_;
      stopped_at_.reset();
    } else {
      return;
    }
    if (on_change_) on_change_(stands_still());
  }

  bool stands_still() const { return stopped_at_.has_value(); }
  /// Up to `now` where the guest still stands still; seconds since 1970, as in the events.
  double seconds(double now) const { return seconds_ + (stopped_at_ ? now - *stopped_at_ : 0); }

 private:
  std::function<void(bool)> on_change_;
  std::optional<double> stopped_at_;
  double seconds_ = 0;
};

/// Hears STOP and RESUME, steers a live save, and lets the disks have their moment. All borrowed;
/// `live` and `disks` may be null.
class CaptureListener final : public MonitorListener {
 public:
  CaptureListener(PauseClock& pause, LiveSave* live, MonitorListener* disks)
      : pause_(pause), live_(live), disks_(disks) {}

  Status on_event(const QmpEvent& event) override {
    pause_.on_event(event);
    if (live_ && event.name == "MIGRATION_PASS") live_->on_pass();
    return disks_ ? disks_->on_event(event) : ok();
  }
  Status on_turn() override {
    if (disks_) {
      if (auto turned = disks_->on_turn(); !turned) return turned;
    }
    return live_ ? live_->on_turn(pause_.stands_still()) : ok();
  }

 private:
  PauseClock& pause_;
  LiveSave* live_;
  MonitorListener* disks_;
};

}  // namespace vmstream
