// SPDX-License-Identifier: MIT
#include "guest/capture/capture_disks.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "guest/capture/capture_listener.h"
#include "guest/capture/capture_mode.h"

namespace vmstream {
namespace {

std::string unsaved_disks(const std::vector<std::string>& devices) {
  return fmt::format(
      "the guest goes on writing to disks that are not saved ({}): --disk-snapshot or --after "
      "pause keeps them as they are now",
      escape(fmt::format("{}", fmt::join(devices, ", "))));
}

}  // namespace

Status CaptureDisks::plan(BorrowedGuest& guest, const CaptureOptions& options, CaptureMode mode,
                          const std::string& time, CaptureObserver* observer) {
  mode_ = mode;
  if (!options.disk_folder) return note_unsaved(guest, options, observer);
  bool wants_pause = mode != CaptureMode::Background;
  if (wants_pause && !guest.settings().knows_capability(kPauseAtEnd)) {
    return Error{Errc::Unsupported,
                 fmt::format("QEMU {} does not pause for its disks at the end of a save",
                             guest.qmp().qemu_version())};
  }
  auto tag = DiskSnapshot::new_tag();
  if (!tag) return tag.error();
  auto planned = DiskSnapshot::plan(guest.qmp(), *options.disk_folder, time, *tag);
  if (!planned) return planned.error();
  snapshot_.emplace(std::move(*planned));
  if (wants_pause) guest.expect_pause();
  if (snapshot_->disks().empty() && observer) {
    observer->on_warning("the guest has no disk that it can write to");
  }
  return ok();
}

Status CaptureDisks::note_unsaved(BorrowedGuest& guest, const CaptureOptions& options,
                                  CaptureObserver* observer) {
  if (options.after != After::Keep || !guest.state().was_running()) return ok();
  auto drives = list_drives(guest.qmp());
  if (!drives) return drives.error();
  for (const GuestDrive& drive : *drives) {
    if (drive.is_writable()) unsaved_.push_back(drive.device);
  }
  if (!unsaved_.empty() && observer) observer->on_warning(unsaved_disks(unsaved_));
  return ok();
}

std::unique_ptr<MonitorListener> CaptureDisks::moment(QmpClient& qmp,
                                                      std::function<bool()> page_seen) {
  if (!snapshot_) return nullptr;
  if (!come_first()) return std::make_unique<SnapshotAtSwitchover>(qmp, *snapshot_);
  return std::make_unique<GoOnOnceProtected>(qmp, std::move(page_seen));
}

std::vector<SavedDisk> CaptureDisks::saved() const {
  return snapshot_ ? snapshot_->disks() : std::vector<SavedDisk>();
}

void CaptureDisks::tell(CaptureSummary& summary) const {
  summary.disks_not_saved = unsaved_;
  summary.disks = saved();
  if (snapshot_) summary.left_out_disks = snapshot_->left_out();
}

}  // namespace vmstream
