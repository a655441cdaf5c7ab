// SPDX-License-Identifier: MIT
// The moment at which the disks of a guest are what its saved memory takes them for.
#pragma once

#include <functional>

#include "guest/disks/disk_snapshot.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

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
