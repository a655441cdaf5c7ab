// SPDX-License-Identifier: MIT
// What becomes of a guest's disks when its memory is saved.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/capture.h>
#include "guest/capture/borrowed_guest.h"
#include "guest/disks/disk_snapshot.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

/// Snapshots them where a folder for the overlays is given, or else notes those that the guest goes
/// on writing to: its saved memory takes them for unchanged.
class CaptureDisks {
 public:
  /// After it QEMU has only been asked. `mode` is the one chosen, `time` that of the save.
  Status plan(BorrowedGuest& guest, const CaptureOptions& options, CaptureMode mode,
              const std::string& time, CaptureObserver* observer);

  /// Whether the guest must be stopped for them before its memory is sent.
  bool come_first() const { return snapshot_ && mode_ == CaptureMode::Background; }
  /// Of disks that come first.
  Status take(QmpClient& qmp) { return snapshot_->take(qmp); }
  /// Who hears the monitor for the moment of the others; null where there are none. `page_seen`
  /// tells whether the stream has shown a page.
  std::unique_ptr<MonitorListener> moment(QmpClient& qmp, std::function<bool()> page_seen);
  /// Whether all there is to take has been taken.
  bool are_done() const { return !snapshot_ || snapshot_->is_done(); }
  /// See DiskSnapshot::undo().
  Status undo(QmpClient* qmp) { return snapshot_ ? snapshot_->undo(qmp) : ok(); }

  std::vector<SavedDisk> saved() const;
  void tell(CaptureSummary& summary) const;

 private:
  Status note_unsaved(BorrowedGuest& guest, const CaptureOptions& options,
                      CaptureObserver* observer);

  CaptureMode mode_ = CaptureMode::Stop;
  std::optional<DiskSnapshot> snapshot_;
  std::vector<std::string> unsaved_;
};

}  // namespace vmstream
