// SPDX-License-Identifier: MIT
// Feeding a saved guest to a QEMU that waits for it.
#include <vmstream/restore.h>

#include <fmt/format.h>

#include "guest/monitor/monitored_io.h"
#include "guest/monitor/query.h"
#include "guest/restore/incoming_guest.h"
#include "guest/restore/incoming_sink.h"
#include "guest/restore/stream_guard.h"

namespace vmstream {
namespace {

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

// Pages that stand between the entries of the block list no QEMU takes from a connection.
class NoMappedRam final : public StreamVisitor {
 public:
  Status on_ram_blocks(const RamBlockList& list) override {
    if (list.blocks.empty() || !list.blocks.back().mapped) return ok();
    return Error{.code = Errc::Unsupported,
                 .message = "a mapped-ram stream must be read by position",
                 .offset = list.offset,
                 .hint = "give the name of its file; vmstream-inspect extract stream unpacks one"};
  }
};

// One restore into a QEMU, from the first look to the run state.
class Restore {
 public:
  Restore(QmpClient& qmp, const RestoreOptions& options, RestoreObserver* observer)
      : qmp_(qmp), options_(options), observer_(observer) {}

  Result<RestoreSummary> run(ByteSource& plain);

 private:
  Status feed(ByteSource& plain, StreamTap& tap);

  QmpClient& qmp_;
  const RestoreOptions& options_;
  RestoreObserver* observer_;
};

Status Restore::feed(ByteSource& plain, StreamTap& tap) {
  MonitorWatch watch(qmp_, options_.limits, [&tap] { tap.report(); });
  IncomingSink sink(qmp_, watch, options_.run_state == RunState::Paused);
  StreamGuard guard(tap, sink, end_told_to(observer_), options_.hold_back);
  auto passed = guard_stream(plain, guard);
  if (!passed) {
    return sink.broken() ? explain_broken_load(qmp_, options_.limits, passed.error()) : passed;
  }
  warn_of_trailing_bytes(guard, observer_);
  // QEMU waits for the close where it misses a vmdesc.
  if (auto closed = sink.finish(); !closed) return closed;
  return await_loaded(qmp_, options_.limits);
}

Result<RestoreSummary> Restore::run(ByteSource& plain) {
  auto start = Clock::now();
  if (auto looked = require_waiting(qmp_); !looked) return looked.error();
  NoMappedRam no_mapped_ram;
  StreamTap tap(DigestMode::None, progress_to(observer_), &no_mapped_ram);
  if (auto fed = feed(plain, tap); !fed) return fed.error();
  auto state = settle_run_state(qmp_, options_.run_state);
  if (!state) return state.error();
  RestoreSummary summary = summarize(tap, start);
  summary.run_state = *state;
  return summary;
}

}  // namespace

Result<RestoreSummary> restore_stream(ByteSource& plain, ByteSink& sink, RestoreObserver* observer,
                                      HoldBack hold_back) {
  auto start = Clock::now();
  NoMappedRam no_mapped_ram;
  StreamTap tap(DigestMode::None, progress_to(observer), &no_mapped_ram);
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
