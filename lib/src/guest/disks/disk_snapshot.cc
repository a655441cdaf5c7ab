// SPDX-License-Identifier: MIT
#include "guest/disks/disk_snapshot.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include <vmstream/text.h>
#include "base/json.h"
#include "guest/disks/block_commit.h"
#include "guest/disks/disk_rules.h"
#include "guest/disks/drive_argument.h"

namespace vmstream {
namespace {

constexpr size_t kLongestName = 64;

// QEMU has a folder of its own, in which a name would mean something else.
Result<std::string> absolute_folder(const std::string& folder) {
  std::string path(PATH_MAX, '\0');
  struct stat found {};
  if (!::realpath(folder.c_str(), path.data()) || ::stat(path.c_str(), &found) != 0) {
    return system_error("--disk-snapshot " + escape(folder), errno);
  }
  path.resize(path.find('\0'));
  if (S_ISDIR(found.st_mode)) return path;
  return system_error("--disk-snapshot " + escape(folder), ENOTDIR);
}

// Part of a file's name: whatever a device is called, it stays in its folder.
std::string file_name_of(const std::string& device) {
  std::string name = device.substr(0, kLongestName);
  auto may_stay = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  std::replace_if(
      name.begin(), name.end(), [&](char c) { return !may_stay(c); }, '_');
  return name.empty() ? "disk" : name;
}

// "2026-11-21T03:55:00Z" as it can stand in the name of a file.
std::string stamp_of(std::string time) {
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return time;
}

Json action_for(const SavedDisk& disk) {
  return {{"type", "blockdev-snapshot-sync"},
          {"data",
           {{"node-name", disk.base_node},
            {"snapshot-file", disk.overlay},
            {"snapshot-node-name", disk.overlay_node},
            {"format", "qcow2"}}}};
}

}  // namespace

Result<std::string> DiskSnapshot::new_tag() {
  uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) {
    return system_error("getrandom", errno);
  }
  return fmt::format("{:08x}", number);
}

Result<DiskSnapshot> DiskSnapshot::plan(QmpClient& qmp, const std::string& folder,
                                        const std::string& time, const std::string& tag) {
  auto path = absolute_folder(folder);
  if (!path) return path.error();
  auto drives = list_drives(qmp);
  if (!drives) return drives.error();
  DiskSnapshot snapshot;
  Names names{.folder = *path, .stamp = stamp_of(time), .tag = tag};
  for (const GuestDrive& drive : *drives) {
    if (auto added = snapshot.add(drive, names); !added) return added.error();
  }
  if (snapshot.disks_.empty()) return snapshot;
  if (auto ours = check_owner(qmp, *drives); !ours) return ours.error();
  if (auto told = snapshot.tell_arguments(qmp, *drives); !told) return told.error();
  return snapshot;
}

Status DiskSnapshot::add(const GuestDrive& drive, const Names& names) {
  if (!drive.is_writable()) {
    left_out_.push_back({drive.device, drive.has_medium() ? "read-only" : "no medium"});
    return ok();
  }
  if (auto possible = check_snapshot(drive); !possible) return possible;
  // The number tells apart what has become the same name.
  std::string overlay =
      fmt::format("{}/{}-{}-{}-{}.qcow2", names.folder, file_name_of(drive.device), names.stamp,
                  names.tag, disks_.size());
  struct stat found {};
  if (::lstat(overlay.c_str(), &found) == 0) {
    return Error{Errc::Refused, fmt::format("the overlay {} exists", escape(overlay))};
  }
  disks_.push_back({.device = drive.device,
                    .base = drive.file,
                    .base_format = drive.format,
                    .base_node = drive.node,
                    .overlay = std::move(overlay),
                    .overlay_node = fmt::format("vmstream-{}-{}", names.tag, disks_.size()),
                    .argument = {},
                    .base_time = {}});
  return ok();
}

// The disks are the writable ones of the drives, in their order.
Status DiskSnapshot::tell_arguments(QmpClient& qmp, const std::vector<GuestDrive>& drives) {
  auto command_line = read_command_line(qmp.descriptor());
  auto disk = disks_.begin();
  for (const GuestDrive& drive : drives) {
    if (!drive.is_writable()) continue;
    auto argument = drive_argument(qmp, drive, command_line);
    if (!argument) return argument.error();
    (disk++)->argument = *argument;
  }
  return ok();
}

Status DiskSnapshot::take(QmpClient& qmp) {
  if (disks_.empty()) return ok();
  Json actions = Json::array();
  for (const SavedDisk& disk : disks_) actions.push_back(action_for(disk));
  taken_ = true;  // also when the answer is lost
  auto done = qmp.execute("transaction", to_text({{"actions", actions}}));
  if (done) {
    for (SavedDisk& disk : disks_) disk.base_time = time_of_base(disk.base);
    return ok();
  }
  // QEMU has gone on without those that it had created, unless nobody knows.
  if (list_drives(qmp)) {
    taken_ = false;
    remove_overlays();
  }
  Error error = done.error();
  error.message = "no snapshot of the disks was taken: " + error.message;
  return error;
}

Status DiskSnapshot::undo(QmpClient* qmp) {
  if (!std::exchange(taken_, false)) return ok();
  return commit_overlays(qmp, disks_);
}

void DiskSnapshot::remove_overlays() const {
  for (const SavedDisk& disk : disks_) ::unlink(disk.overlay.c_str());
}

}  // namespace vmstream
