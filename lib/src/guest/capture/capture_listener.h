// SPDX-License-Identifier: MIT
// Whom the monitor's events concern while a guest is saved.
#pragma once

#include "guest/capture/live_save.h"
#include "guest/capture/pause_clock.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

/// Hears STOP and RESUME, and steers a live save. All borrowed; `live` may be null.
class CaptureListener final : public MonitorListener {
 public:
  CaptureListener(PauseClock& pause, LiveSave* live) : pause_(pause), live_(live) {}

  Status on_event(const QmpEvent& event) override {
    pause_.on_event(event);
    if (live_ && event.name == "MIGRATION_PASS") live_->on_pass();
    return ok();
  }
  Status on_turn() override { return live_ ? live_->on_turn(pause_.stands_still()) : ok(); }

 private:
  PauseClock& pause_;
  LiveSave* live_;
};

}  // namespace vmstream
