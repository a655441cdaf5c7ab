// SPDX-License-Identifier: MIT
// Snapshots of all disks that a guest can write to, taken at one moment.
#pragma once

#include <string>
#include <vector>

#include <vmstream/qmp.h>
#include <vmstream/saved_disk.h>
#include "guest/disks/guest_drives.h"

namespace vmstream {

/// Each disk stays as it is at the moment of take(); the guest goes on in an overlay. undo() merges
/// what it has written since back into the disk.
class DiskSnapshot {
 public:
  /// Names an overlay in `folder` for each writable disk; QEMU is only asked. `time` ("...T...Z")
  /// and `tag` make the names new: no other save may have both, as many guests are saved into one
  /// folder at once and an overlay that is given up is removed. A file that exists is
  /// Errc::Refused, a disk against disk_rules.h Errc::Unsupported.
  static Result<DiskSnapshot> plan(QmpClient& qmp, const std::string& folder,
                                   const std::string& time, const std::string& tag);

  /// Tells a save from all others of its second.
  static Result<std::string> new_tag();

  /// All or none, while the guest stands still.
  Status take(QmpClient& qmp);
  /// The guest's disks as before take(), with what was written since; the overlays are gone. The
  /// error says which are still there, as all are without a monitor. Nothing where nothing was
  /// taken.
  Status undo(QmpClient* qmp);

  /// Whether all there is to take has been taken.
  bool is_done() const { return taken_ || disks_.empty(); }
  const std::vector<SavedDisk>& disks() const { return disks_; }
  const std::vector<LeftOutDisk>& left_out() const { return left_out_; }

 private:
  struct Names {
    std::string folder;
    std::string stamp;
    std::string tag;
  };
  Status add(const GuestDrive& drive, const Names& names);
  Status tell_arguments(QmpClient& qmp, const std::vector<GuestDrive>& drives);
  void remove_overlays() const;

  std::vector<SavedDisk> disks_;
  std::vector<LeftOutDisk> left_out_;
  bool taken_ = false;
};

}  // namespace vmstream
