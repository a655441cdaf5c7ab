// SPDX-License-Identifier: MIT
// Whom the monitor's events concern while a guest is saved.
#pragma once

#include "guest/capture/live_save.h"
#include "guest/capture/pause_clock.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

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
