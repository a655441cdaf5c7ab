// SPDX-License-Identifier: MIT
// Feeding a saved guest to a QEMU that waits for it.
#include <vmstream/restore.h>

#include <fmt/format.h>

#include <vmstream/text.h>
#include "guest/incoming_sink.h"
#include "guest/monitored_io.h"
#include "guest/query.h"
#include "guest/stream_guard.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// How long QEMU is given to say why it stopped reading.
constexpr auto kLastWords = std::chrono::seconds(2);

StreamTap::OnProgress progress_to(RestoreObserver* observer) {
  if (!observer) return {};
  return [observer](const StreamCounts& counts) { observer->on_progress(counts); };
}

std::function<void()> end_told_to(RestoreObserver* observer) {
  if (!observer) return {};
  return [observer] { observer->on_point_of_no_return(); };
}

void warn_of_trailing_bytes(const StreamGuard& guard, RestoreObserver* observer) {
  if (!observer || guard.trailing_bytes() == 0) return;
  observer->on_warning(
      fmt::format("{} bytes behind the end of the stream were dropped", guard.trailing_bytes()));
}

RestoreSummary summarize(const StreamTap& tap, Clock::time_point start) {
  RestoreSummary summary;
  summary.counts = tap.counts();
  summary.machine = tap.machine();
  summary.total_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return summary;
}

Error qemu_ended() {
  return Error{.code = Errc::Environment,
               .message = "QEMU ended while it loaded the guest",
               .hint = "QEMU says why on its own stderr; often machine type or devices differ"};
}

// One restore into a QEMU, from the first look to the run state.
class Restore {
 public:
  Restore(QmpClient& qmp, const RestoreOptions& options, RestoreObserver* observer)
      : qmp_(qmp), options_(options), observer_(observer) {}

  Result<RestoreSummary> run(ByteSource& plain);

 private:
  Status look();
  Status feed(ByteSource& plain, StreamTap& tap);
  Status explain_write_error(const Error& error);
  Status await_loaded(const WaitLimits& limits);
  Result<std::string> settle_run_state();

  QmpClient& qmp_;
  const RestoreOptions& options_;
  RestoreObserver* observer_;
};

Status Restore::look() {
  auto status = query_run_status(qmp_);
  if (!status) return status.error();
  if (status->name == "inmigrate") return ok();
  return Error{.code = Errc::Environment,
               .message = fmt::format("this QEMU waits for no guest: run state '{}', wanted "
                                      "'inmigrate'",
                                      status->name),
               .hint = "start the QEMU that is to take the guest with -incoming defer"};
}

Status Restore::feed(ByteSource& plain, StreamTap& tap) {
  MonitorWatch watch(qmp_, options_.limits, [&tap] { tap.report(); });
  IncomingSink sink(qmp_, watch, options_.run_state == RunState::Paused);
  StreamGuard guard(tap, sink, end_told_to(observer_), options_.hold_back);
  auto passed = guard_stream(plain, guard);
  if (!passed) return sink.broken() ? explain_write_error(passed.error()) : passed;
  warn_of_trailing_bytes(guard, observer_);
  // QEMU waits for the close where it misses a vmdesc.
  if (auto closed = sink.finish(); !closed) return closed;
  return await_loaded(options_.limits);
}

// A QEMU that gives up closes its end of the stream first and says why, or ends, a moment later.
// One that has loaded the guest without reading the vmdesc is content.
Status Restore::explain_write_error(const Error& error) {
  WaitLimits patience{options_.limits.cancellation, Clock::now() + kLastWords};
  qmp_.set_limits(patience);
  auto loaded = await_loaded(patience);
  qmp_.set_limits(options_.limits);
  return !loaded && loaded.error().code == Errc::TimedOut ? error : loaded;
}

Status Restore::await_loaded(const WaitLimits& limits) {
  auto status = await_migration_end(qmp_, limits);
  if (!status) {
    return status.error().code == Errc::Environment ? qemu_ended() : status.error();
  }
  if (status->name == "completed") return ok();
  return Error{Errc::Environment,
               fmt::format("QEMU could not load the guest: status '{}'{}{}", status->name,
                           status->error.empty() ? "" : ": ", status->error)};
}

Result<std::string> Restore::settle_run_state() {
  auto status = query_run_status(qmp_);
  if (!status) return status.error();
  if (options_.run_state == RunState::Running && !status->running) {
    if (auto done = qmp_.execute("cont"); !done) return done.error();
    status = query_run_status(qmp_);
    if (!status) return status.error();
  }
  return status->name;
}

Result<RestoreSummary> Restore::run(ByteSource& plain) {
  auto start = Clock::now();
  if (auto looked = look(); !looked) return looked.error();
  StreamTap tap(DigestMode::None, progress_to(observer_));
  if (auto fed = feed(plain, tap); !fed) return fed.error();
  auto state = settle_run_state();
  if (!state) return state.error();
  RestoreSummary summary = summarize(tap, start);
  summary.run_state = *state;
  return summary;
}

}  // namespace

Result<RestoreSummary> restore_stream(ByteSource& plain, ByteSink& sink, RestoreObserver* observer,
                                      HoldBack hold_back) {
  auto start = Clock::now();
  StreamTap tap(DigestMode::None, progress_to(observer));
  StreamGuard guard(tap, sink, end_told_to(observer), hold_back);
  if (auto passed = guard_stream(plain, guard); !passed) return passed.error();
  if (auto finished = sink.finish(); !finished) return finished.error();
  warn_of_trailing_bytes(guard, observer);
  return summarize(tap, start);
}

Result<RestoreSummary> restore_guest(ByteSource& plain, QmpClient& qmp, RestoreOptions options,
                                     RestoreObserver* observer) {
  qmp.set_limits(options.limits);
  return Restore(qmp, options, observer).run(plain);
}

}  // namespace vmstream
