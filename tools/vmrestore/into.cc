// SPDX-License-Identifier: MIT
#include "vmrestore/into.h"

#include <fmt/format.h>

#include <vmstream/state_file.h>
#include <vmstream/text.h>
#include <vmstream/verification.h>
#include "common/progress.h"

namespace vmrestore {

using vmstream::Error;
using vmstream::ImageTarget;
using vmstream::QmpClient;
using vmstream::Result;
using vmstream::StateFile;
using vmstream::StateName;
using vmstream::Status;

namespace {

Status read_back(vmtools::Session& session, const Options& options, vmstream::WaitLimits limits) {
  auto file = StateFile::open(*options.into, {.decode = {.limits = limits}});
  if (!file) return file.error();
  auto stream = file->stream();
  if (!stream) return stream.error();
  vmtools::Progress progress(session, "verify");
  return vmstream::verify_stream(
      **stream, {}, {.on_progress = [&](const auto& counts) { progress.update(counts); }});
}

}  // namespace

Result<std::optional<ImageTarget>> find_target(const Options& options, QmpClient& qmp) {
  if (!options.into) return std::optional<ImageTarget>();
  auto name = StateName::parse(*options.into);
  auto target = ImageTarget::find(qmp, name.file, name.snapshot.value_or(""));
  if (!target) return target.error();
  return std::optional(std::move(*target));
}

Status save_into(const ImageTarget& target, vmtools::Session& session, const Options& options,
                 QmpClient& qmp, vmstream::WaitLimits limits) {
  if (auto saved = target.save(qmp, limits); !saved) return saved;
  auto whole = read_back(session, options, limits);
  if (whole) return whole;
  Error error = whole.error();
  error.message = "QEMU has made the snapshot, but it is not whole: " + error.message;
  return error;
}

std::string into_explanation(const Options& options) {
  if (!options.into) return {};
  auto name = StateName::parse(*options.into);
  return fmt::format(
      "# then, with the node of {} as NODE, and the nodes of all disks that the guest may write:\n"
      "{{\"execute\": \"snapshot-save\", \"arguments\": {{\"job-id\": \"ID\", \"tag\": \"{}\", "
      "\"vmstate\": \"NODE\", \"devices\": [\"NODE\"]}}}}\n"
      "# until query-jobs says that the job is concluded, without an error\n"
      "{{\"execute\": \"job-dismiss\", \"arguments\": {{\"id\": \"ID\"}}}}\n{}",
      vmstream::escape(name.file), vmstream::escape(name.snapshot.value_or("NAME")),
      options.qemu.empty() ? "" : "{\"execute\": \"quit\"}\n");
}

}  // namespace vmrestore
