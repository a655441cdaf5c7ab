// SPDX-License-Identifier: MIT
// Whom the monitor's events concern while a guest is saved: how long it stands still, and the
// moment at which its disks are what its saved memory takes them for.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include <vmstream/qmp.h>
#include "guest/capture/live_save.h"
#include "guest/disks/disk_snapshot.h"
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

/// Of a stopped and of a live save it is the end: QEMU, told to pause there, has stopped the guest
/// and waits with the last pages and the devices. A save that fails before has touched no disk.
class SnapshotAtSwitchover final : public MonitorListener {
 public:
  /// Both borrowed.
  SnapshotAtSwitchover(QmpClient& qmp, DiskSnapshot& disks) : qmp_(qmp), disks_(disks) {}
  Status on_event(const QmpEvent& event) override;

 private:
  QmpClient& qmp_;
  DiskSnapshot& disks_;
};

/// Of a background save it is the start, which QEMU has no pause in: the guest is stopped for it.
/// It goes on by this as soon as its memory is write-protected, which the first page in the stream
/// proves. QEMU before 9.0 lets it go on by itself, and takes no offence.
class GoOnOnceProtected final : public MonitorListener {
 public:
  /// `qmp` is borrowed; `page_seen` tells whether the stream has shown a page.
  GoOnOnceProtected(QmpClient& qmp, std::function<bool()> page_seen)
      : qmp_(qmp), page_seen_(std::move(page_seen)) {}
  Status on_turn() override;

 private:
  QmpClient& qmp_;
  std::function<bool()> page_seen_;
  bool told_ = false;
};

}  // namespace vmstream
