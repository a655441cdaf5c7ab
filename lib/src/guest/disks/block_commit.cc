// SPDX-License-Identifier: MIT
#include "guest/disks/block_commit.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <vmstream/text.h>
#include "guest/disks/guest_drives.h"
#include "guest/monitor/query.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr const char* kJob = "vmstream-undo";
// For a disk's job to come to an end; it has little to write but where the save took hours.
constexpr auto kPatience = std::chrono::minutes(2);
constexpr auto kInterval = std::chrono::milliseconds(10);

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
    auto waited = pause_within(kInterval, limits, "the disks to be put back");
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
  auto done = run_job(qmp, disk, {.deadline = Clock::now() + kPatience});
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
  qmp->set_limits({.deadline = Clock::now() + kPatience});
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

}  // namespace

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

}  // namespace vmstream
