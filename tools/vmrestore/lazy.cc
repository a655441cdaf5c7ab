// SPDX-License-Identifier: MIT
#include "vmrestore/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <vmstream/lazy_restore.h>
#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/output.h"
#include "common/progress.h"
#include "vmrestore/claim.h"
#include "vmrestore/guest.h"
#include "vmrestore/indexing.h"
#include "vmrestore/input.h"
#include "vmrestore/report.h"
#include "vmrestore/working_set_file.h"

namespace vmrestore {
namespace {

using vmstream::LazyCounts;
using vmstream::LazyFile;
using vmstream::LazyOptions;
using vmstream::LazySummary;
using vmstream::QmpClient;
using vmtools::ExitStatus;
using vmtools::Session;

// Shows what the restore tells.
class LazyTeller final : public vmstream::LazyObserver {
 public:
  LazyTeller(Session& session, std::string subject, InputClaim& claim)
      : session_(session),
        subject_(std::move(subject)),
        progress_(session, "lazy restore"),
        claim_(claim) {}

  void on_point_of_no_return() override {
    session_.set_guest(kMayHaveRun);
    claim_.keep();
  }
  void on_loaded(double seconds) override {
    loaded_ = true;
    session_.set_guest(kWaits);
    session_.messages().summary(
        fmt::format("{}: devices loaded after {:.3f} s, memory follows", subject_, seconds));
  }
  void on_progress(const LazyCounts& counts) override {
    if (total_bytes_ == 0) total_bytes_ = counts.left_bytes;
    progress_.update({.stream_bytes = counts.sent_bytes,
                      .guest_bytes = total_bytes_,
                      .page_bytes = total_bytes_ - std::min(total_bytes_, counts.left_bytes)});
  }
  void on_refusal(const std::string& words) override { refusal_ = words; }
  const std::optional<std::string>& refusal() const { return refusal_; }
  void on_warning(const std::string& text) override { session_.messages().warning(subject_, text); }
  void enter(std::string_view phase) { progress_.enter(phase); }
  bool loaded() const { return loaded_; }

 private:
  Session& session_;
  std::string subject_;
  vmtools::Progress progress_;
  InputClaim& claim_;
  uint64_t total_bytes_ = 0;  // as left at the first report
  bool loaded_ = false;
  std::optional<std::string> refusal_;
};

struct LazyRun {
  const Options& options;
  Session& session;
  vmstream::WaitLimits limits;
  InputClaim claim;
  LazyFile file;
  WorkingSetFile working_set;
  const Input& input;
  bool restored = false;  // the guest is whole, whatever came of the report

  std::string name() const { return input_name(options); }
  ExitStatus run();
  ExitStatus run_with_monitor();
  ExitStatus run_with_new_qemu();
  ExitStatus restore(QmpClient& qmp);
  ExitStatus report(LazyTeller& observer, const LazySummary& summary);
};

ExitStatus LazyRun::report(LazyTeller& observer, const LazySummary& summary) {
  restored = true;
  session.set_guest(kRestored);
  observer.enter("done");
  if (auto kept = working_set.keep(summary.working_set); !kept) {
    session.messages().warning(*options.working_set, vmstream::describe(kept.error()));
  }
  keep_index(session, name(), file, limits);
  auto used_up = claim.use_up();
  auto clock = set_clock(options, summary.run_state, limits);
  auto told = session.report(lazy_summary_json(options, file, summary, bool(clock)),
                             {lazy_summary_line(options, summary)}, kDoneAllTheSame);
  if (!clock) told = session.fail(name(), clock.error());
  return used_up ? told : session.fail(name(), used_up.error());
}

ExitStatus LazyRun::restore(QmpClient& qmp) {
  LazyTeller observer(session, name(), claim);
  LazyOptions how{.run_state = wanted_run_state(options, file.containers()),
                  .push = options.prefetch != Prefetch::None,
                  .early = working_set.early(),
                  .max_push_bandwidth = options.max_bandwidth,
                  .threads = options.common.threads,
                  .limits = limits};
  auto summary = options.resume_lazy ? vmstream::resume_lazily(file, qmp, how, &observer)
                                     : vmstream::restore_lazily(file, qmp, how, &observer);
  if (summary) return report(observer, *summary);
  auto status = session.fail(name(), summary.error());
  bool waits = observer.loaded() || options.resume_lazy;
  if (status == ExitStatus::Interrupted && waits && options.qmp) {
    session.messages().warning(
        name(), "the guest waits for the rest of its memory: vmrestore --resume-lazy goes on");
  }
  claim.leave(session, name());
  if (observer.refusal()) advise(session, name(), input, *observer.refusal());
  return status;
}

ExitStatus LazyRun::run_with_monitor() {
  auto qmp = connect_to_qemu(session, *options.qmp, limits);
  if (!qmp) return session.fail(*options.qmp, qmp.error());
  return restore(*qmp);
}

ExitStatus LazyRun::run_with_new_qemu() {
  auto qemu = start_qemu(session, options, limits);
  if (!qemu) return session.fail(options.qemu[0], qemu.error());
  auto status = restore(qemu->qmp());
  if (!restored) return status;
  return wait_for_qemu(session, *qemu, options.qemu[0], status);
}

ExitStatus LazyRun::run() {
  return options.qmp ? run_with_monitor() : run_with_new_qemu();
}

}  // namespace

ExitStatus restore_lazy(const Options& options, Session& session) {
  auto limits = session.limits(options.timeout);
  auto how = open_options(options, limits);
  if (!how) return session.fail(input_name(options), how.error());
  auto working_set = WorkingSetFile::open(options, limits);
  if (!working_set) return session.fail(*options.working_set, working_set.error());
  auto claim = InputClaim::take(options);
  if (!claim) return session.fail(input_name(options), claim.error());
  auto input = Input::open(options, *claim, std::move(*how), limits);
  if (!input) return session.fail(input_name(options), input.error());
  vmtools::warn_of_changed_disks(session, input_name(options), input->recorded_disks());
  input->tell_of_image(session);
  auto file = input->open_lazily(session, indexing_observer(session, input_name(options)));
  if (!file) return session.fail(input_name(options), file.error());
  auto sound = check_containers(session, input_name(options), file->containers());
  if (!sound) return session.fail(input_name(options), sound.error());
  LazyRun run{
      options, session, limits, std::move(*claim), std::move(*file), std::move(*working_set),
      *input};
  return run.run();
}

}  // namespace vmrestore
