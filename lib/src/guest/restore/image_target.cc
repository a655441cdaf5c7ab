// SPDX-License-Identifier: MIT
// A loaded guest becomes a snapshot of a disk image. QEMU does it, as for a guest that has run in
// it: it has the image's locks and the guest's disks, and what it writes is there whole or not at
// all.
#include <vmstream/restore.h>

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/state_file.h>
#include <vmstream/text.h>
#include "guest/disks/guest_drives.h"
#include "guest/monitor/monitored_io.h"
#include "guest/monitor/query.h"
#include "io/same_file.h"

namespace vmstream {
namespace {

constexpr std::string_view kCommand = "snapshot-save";
constexpr std::string_view kJob = "vmstream-into-image";

Status require_command(QmpClient& qmp) {
  auto commands = ask(qmp, "query-commands");
  if (!commands) return commands.error();
  bool is_known = commands->is_array() && std::ranges::any_of(*commands, [](const Json& command) {
                    return text_member(command, "name") == kCommand;
                  });
  if (is_known) return ok();
  return Error{.code = Errc::Unsupported,
               .message = fmt::format("QEMU {} has no {}", escape(qmp.qemu_version()), kCommand),
               .hint =
                   "QEMU 6.0 or later has it; in an earlier one restore the guest with --paused "
                   "and type 'savevm NAME' into its monitor"};
}

// QEMU cuts longer names, and takes its commands as UTF-8.
Status require_exact_name(const std::string& name) {
  constexpr size_t kMostBytes = 255;
  auto sent = parse_object(to_text(Json{{"name", name}}));
  bool is_exact = sent && text_member(*sent, "name") == name;
  if (!name.empty() && name.size() <= kMostBytes && is_exact) return ok();
  return Error{Errc::Usage,
               fmt::format("a snapshot wants a name of 1 to {} bytes, in UTF-8", kMostBytes)};
}

Status require_new_name(const std::string& image, const std::string& name) {
  auto opened = OpenedFile::open(image);
  if (!opened) return opened.error();
  auto snapshots = StateFile::open({std::move(*opened)}).snapshots();
  if (!snapshots) return snapshots.error();
  if (!*snapshots) return Error{Errc::Usage, "is no qcow2 image"};
  if ((*snapshots)->fault) return *(*snapshots)->fault;
  bool is_taken = std::ranges::any_of((*snapshots)->list, [&](const ImageSnapshot& snapshot) {
    return snapshot.name == name || snapshot.id == name;
  });
  if (!is_taken) return ok();
  return Error{Errc::Refused, fmt::format("it has a snapshot '{}' already", escape(name))};
}

// Empty as long as the job goes on.
Result<std::optional<Status>> look_at_job(QmpClient& qmp) {
  auto jobs = ask(qmp, "query-jobs");
  if (!jobs) return jobs.error();
  auto is_ours = [](const Json& job) { return text_member(job, "id") == kJob; };
  auto job = std::ranges::find_if(*jobs, is_ours);
  if (job == jobs->end()) {
    return std::optional<Status>(Error{Errc::Environment, "QEMU has lost its job"});
  }
  if (text_member(*job, "status") != "concluded") return std::optional<Status>();
  std::string reason = text_member(*job, "error");
  if (reason.empty()) return std::optional<Status>(ok());
  return std::optional<Status>(
      Error{Errc::Environment, fmt::format("{}: {}", kCommand, escape(reason))});
}

}  // namespace

Result<ImageTarget> ImageTarget::find(QmpClient& qmp, const std::string& image,
                                      const std::string& name) {
  if (auto exact = require_exact_name(name); !exact) return exact.error();
  if (auto known = require_command(qmp); !known) return known.error();
  if (auto free = require_new_name(image, name); !free) return free.error();
  auto drives = list_drives(qmp);
  if (!drives) return drives.error();
  ImageTarget target;
  target.name_ = name;
  for (const GuestDrive& drive : *drives) {
    if (!drive.is_writable()) continue;
    target.nodes_.push_back(drive.node);
    bool is_it = drive.format == "qcow2" && is_same_file(drive.file, image);
    if (is_it) target.state_node_ = drive.node;
  }
  if (!target.state_node_.empty()) return target;
  return Error{.code = Errc::Usage,
               .message = "it is none of the qcow2 disks that this QEMU may write",
               .hint = "give it to QEMU: -drive file=IMAGE,format=qcow2"};
}

Status ImageTarget::save(QmpClient& qmp, const WaitLimits& limits) const {
  Json arguments{{"job-id", kJob}, {"tag", name_}, {"vmstate", state_node_}, {"devices", nodes_}};
  auto begun = qmp.execute(kCommand, to_text(arguments));
  if (!begun) return begun.error();
  MonitorWatch watch(qmp, limits, [] {});
  for (;;) {
    auto end = look_at_job(qmp);
    if (!end) return end.error();
    if (*end) {
      auto dismissed = qmp.execute("job-dismiss", to_text(Json{{"id", kJob}}));
      return **end && !dismissed ? Status(dismissed.error()) : **end;
    }
    if (auto heard = watch.listen(); !heard) return heard;
  }
}

}  // namespace vmstream
