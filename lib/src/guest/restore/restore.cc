// SPDX-License-Identifier: MIT
// Feeding a saved guest to a QEMU that waits for it.
#include <vmstream/restore.h>

#include <fmt/format.h>

#include "guest/monitor/monitored_io.h"
#include "guest/monitor/query.h"
#include "guest/restore/incoming_guest.h"
#include "guest/restore/stream_guard.h"

namespace vmstream {
namespace {

ProgressTap::OnProgress progress_to(RestoreObserver* observer) {
  if (!observer) return {};
  return [observer](const StreamCounts& counts) { observer->on_progress(counts); };
}

std::function<void()> end_told_to(RestoreObserver* observer) {
  if (!observer) return {};
  return [observer] { observer->on_point_of_no_return(); };
}

void warn_of_changes(const StreamGuard& guard, RestoreObserver* observer) {
  if (!observer) return;
  if (guard.trailing_bytes() > 0) {
    observer->on_warning(
        fmt::format("{} bytes behind the end of the stream were dropped", guard.trailing_bytes()));
  }
  if (const auto& fault = guard.description_fault()) {
    observer->on_warning("the damaged description was left out: " + describe(*fault));
  }
  if (guard.guessed_ends()) {
    observer->on_warning(
        "neither footers nor a description tell where its devices end: a stream that was cut among "
        "them would look whole");
  }
  if (guard.rebuilt()) {
    observer->on_warning(
        "a postcopy stream, put together as a plain one; vmstream-inspect extract stream gives "
        "the original");
  }
}

RestoreSummary summarize(StreamGuard& guard, Clock::time_point start) {
  RestoreSummary summary;
  summary.counts = guard.tap().counts();
  summary.machine = guard.tap().machine();
  summary.uuid = guard.tap().uuid();
  summary.rebuilt = guard.rebuilt();
  summary.without_description = guard.description_fault().has_value();
  summary.total_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return summary;
}

RouteOptions routes(const GuardOptions& options) {
  return {.hold_back = options.hold_back,
          .write_disks = options.write_disks,
          .accept_damaged_description = options.accept_damaged_description,
          .has_memory = options.has_memory};
}

// Where the one that is to take the stream can be asked.
RouteOptions routes(const GuardOptions& options, QmpClient& qmp) {
  RouteOptions routes_to = routes(options);
  routes_to.target = query_target(qmp);
  routes_to.ignores_shared = query_capability(qmp, "x-ignore-shared");
  return routes_to;
}

// One restore into a QEMU, from the first look to the run state.
class Restore {
 public:
  Restore(QmpClient& qmp, const RestoreOptions& options, RestoreObserver* observer)
      : qmp_(qmp), options_(options), observer_(observer) {}

  Result<RestoreSummary> run(ByteSource& plain);

 private:
  Status feed(ByteSource& plain, StreamGuard& guard, IncomingSink& sink);
  Status tell_refusal(Status load);
  Status fail(const Error& error, const StreamGuard& guard, const IncomingSink& sink);

  QmpClient& qmp_;
  const RestoreOptions& options_;
  RestoreObserver* observer_;
  std::string log_ = find_qemu_log(qmp_);
};

// The last line of defence: whoever had got something past the guard would be found here.
Status Restore::fail(const Error& error, const StreamGuard& guard, const IncomingSink& sink) {
  auto load = sink.broken() ? tell_refusal(explain_broken_load(qmp_, options_.limits, error))
                            : Status(error);
  if (guard.is_decided()) return load;
  if (auto deceived = stop_unproved_guest(qmp_, options_.limits)) {
    if (observer_) observer_->on_point_of_no_return();  // it has run
    return *deceived;
  }
  return load ? Status(error) : load;
}

Status Restore::feed(ByteSource& plain, StreamGuard& guard, IncomingSink& sink) {
  auto passed = guard_stream(plain, guard);
  if (!passed) return fail(passed.error(), guard, sink);
  warn_of_changes(guard, observer_);
  // QEMU waits for the close where it misses a vmdesc.
  if (auto closed = sink.finish(); !closed) return closed;
  return tell_refusal(await_loaded(qmp_, options_.limits));
}

Status Restore::tell_refusal(Status load) {
  if (load || load.error().code != Errc::Environment) return load;
  Error error = load.error();
  if (observer_) observer_->on_refusal(error.message);
  if (!log_.empty()) error.hint = "QEMU says why in " + log_;
  return error;
}

Result<RestoreSummary> Restore::run(ByteSource& plain) {
  auto start = Clock::now();
  if (auto looked = require_waiting(qmp_); !looked) return looked.error();
  auto route_options = routes(options_.guard, qmp_);
  std::optional<StreamGuard> guard;
  MonitorWatch watch(qmp_, options_.limits, [&guard] { guard->tap().report(); });
  IncomingSink sink(qmp_, watch, starts_nothing(options_));
  guard.emplace(sink, std::move(route_options), progress_to(observer_), end_told_to(observer_));
  if (auto fed = feed(plain, *guard, sink); !fed) return fed.error();
  RunState wanted = options_.run_state;
  bool start_now = options_.start_last && guard->tap().starts_guest();
  if (wanted == RunState::AsSaved && start_now) wanted = RunState::Running;
  auto state = settle_run_state(qmp_, wanted);
  if (!state) return state.error();
  RestoreSummary summary = summarize(*guard, start);
  summary.run_state = *state;
  return summary;
}

}  // namespace

Result<RestoreSummary> restore_stream(ByteSource& plain, ByteSink& sink, RestoreObserver* observer,
                                      GuardOptions options) {
  auto start = Clock::now();
  StreamGuard guard(sink, routes(options), progress_to(observer), end_told_to(observer));
  if (auto passed = guard_stream(plain, guard); !passed) return passed.error();
  if (auto finished = sink.finish(); !finished) return finished.error();
  warn_of_changes(guard, observer);
  return summarize(guard, start);
}

Result<RestoreSummary> restore_guest(ByteSource& plain, QmpClient& qmp, RestoreOptions options,
                                     RestoreObserver* observer) {
  qmp.set_limits(options.limits);
  return Restore(qmp, options, observer).run(plain);
}

}  // namespace vmstream
