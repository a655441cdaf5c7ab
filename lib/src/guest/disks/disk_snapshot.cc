// SPDX-License-Identifier: MIT
// Overlays for all disks in one transaction; and back, disk by disk, by block-commit under a guest
// that runs.
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
#include "guest/disks/disk_rules.h"
#include "guest/disks/drive_argument.h"
#include "guest/disks/guest_drives.h"
#include "guest/monitor/query.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr const char* kJob = "vmstream-undo";
// For a disk's job to come to an end; it has little to write but where the save took hours.
constexpr auto kJobPatience = std::chrono::minutes(2);
constexpr auto kJobInterval = std::chrono::milliseconds(10);

enum class JobState { Runs, Ready, Gone };

Result<JobState> query_job(QmpClient& qmp) {
  auto jobs = ask(qmp, "query-block-jobs");
  if (!jobs) return jobs.error();
  if (!jobs->is_array()) return JobState::Gone;
  auto job = std::find_if(jobs->begin(), jobs->end(),
                          [](const Json& entry) { return text_member(entry, "device") == kJob; });
  if (job == jobs->end()) return JobState::Gone;
  return true_member(*job, "ready") ? JobState::Ready : JobState::Runs;
}

Result<JobState> await_job(QmpClient& qmp, JobState wanted, const WaitLimits& limits) {
  for (;;) {
    auto state = query_job(qmp);
    if (!state || *state == wanted || *state == JobState::Gone) return state;
    auto waited = pause_within(kJobInterval, limits, "the disks to be put back");
    if (!waited) return waited.error();
  }
}

Result<bool> is_used(QmpClient& qmp, const SavedDisk& disk) {
  auto drives = list_drives(qmp);
  if (!drives) return drives.error();
  return std::any_of(drives->begin(), drives->end(),
                     [&disk](const GuestDrive& drive) { return drive.node == disk.overlay_node; });
}

// What the guest writes meanwhile is mirrored: the job is ready once both are alike, and lets go of
// the overlay when it is told to.
Status run_job(QmpClient& qmp, const SavedDisk& disk, const WaitLimits& limits) {
  Json arguments{{"job-id", kJob}, {"device", disk.overlay_node}, {"base-node", disk.base_node}};
  if (auto begun = qmp.execute("block-commit", to_text(arguments)); !begun) return begun.error();
  auto state = await_job(qmp, JobState::Ready, limits);
  if (!state) return state.error();
  if (*state == JobState::Gone) return ok();
  auto completed = qmp.execute("block-job-complete", to_text({{"device", kJob}}));
  if (!completed) return completed.error();
  state = await_job(qmp, JobState::Gone, limits);
  return state ? ok() : Status(state.error());
}

Status commit_overlay(QmpClient& qmp, const SavedDisk& disk) {
  auto used = is_used(qmp, disk);
  if (!used) return used.error();
  if (!*used) return ok();
  auto done = run_job(qmp, disk, {.deadline = Clock::now() + kJobPatience});
  if (!done) {
    [[maybe_unused]] auto cancelled =
        qmp.execute("block-job-cancel", to_text({{"device", kJob}, {"force", true}}));
    return done;
  }
  used = is_used(qmp, disk);
  if (!used) return used.error();
  if (*used) return Error{Errc::Environment, "block-commit did not come to its end"};
  ::unlink(disk.overlay.c_str());
  return ok();
}

Status commit_within_patience(QmpClient* qmp, const SavedDisk& disk) {
  if (!qmp) return Error{Errc::Environment, "its monitor is gone"};
  qmp->set_limits({.deadline = Clock::now() + kJobPatience});
  return commit_overlay(*qmp, disk);
}

Error still_in_use(const std::string& overlays, const Error& error) {
  return Error{
      .code = Errc::Environment,
      .message = fmt::format("what it has written since is in {}: {}", overlays, error.message),
      .hint =
          "keep these files with the disks below them until block-commit, while the "
          "guest runs, or qemu-img commit, when QEMU has ended, has merged them"};
}

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

// Writes what each overlay holds into its base, lets the guest go on there, and removes the
// overlay. An overlay that QEMU does not use is left alone. All are tried; the error names those
// that are left, all of them if there is no monitor.
Status commit_overlays(QmpClient* qmp, const std::vector<SavedDisk>& disks) {
  std::string left;
  std::optional<Error> first;
  for (const SavedDisk& disk : disks) {
    auto done = commit_within_patience(qmp, disk);
    if (done) continue;
    left += (left.empty() ? "" : ", ") + escape(disk.overlay);
    if (!first) first = done.error();
  }
  if (!first) return ok();
  return still_in_use(left, *first);
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
