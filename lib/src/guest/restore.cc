// SPDX-License-Identifier: MIT
// Feeding a saved guest to a QEMU that waits for it.
#include <vmstream/restore.h>

#include <fmt/format.h>

#include <vmstream/text.h>
#include "guest/guest_state.h"
#include "guest/json.h"
#include "guest/migration_link.h"
#include "guest/monitored_io.h"
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

// Keeps the error of writing apart from those of reading and checking: which one came first decides
// whose fault is reported.
class WatchedSink final : public ByteSink {
 public:
  explicit WatchedSink(ByteSink& next) : next_(next) {}
  Status write(std::span<const std::byte> bytes) override {
    auto written = next_.write(bytes);
    if (!written) failed_ = true;
    return written;
  }
  Status finish() override { return next_.finish(); }
  bool failed() const { return failed_; }

 private:
  ByteSink& next_;
  bool failed_ = false;
};

// One restore into a QEMU, from the first look to the run state.
class Restore {
 public:
  Restore(QmpClient& qmp, const RestoreOptions& options, RestoreObserver* observer)
      : qmp_(qmp), options_(options), observer_(observer) {}

  Result<RestoreSummary> run(ByteSource& plain);

 private:
  Status look();
  Status prepare_run_state();
  Status feed(ByteSource& plain, StreamTap& tap);
  Status pass_on(ByteSource& plain, StreamTap& tap, int fd);
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

// Before the load `stop` and `cont` are QEMU's way to set whether the guest starts after it: a
// guest saved running that is to stay paused never runs an instruction.
Status Restore::prepare_run_state() {
  if (options_.run_state != RunState::Paused) return ok();
  if (auto done = qmp_.execute("stop"); !done) return done.error();
  return ok();
}

Status Restore::feed(ByteSource& plain, StreamTap& tap) {
  auto link = MigrationLink::open(qmp_, MigrationLink::Direction::ToQemu);
  if (!link) return link.error();
  auto begun = qmp_.execute("migrate-incoming", to_text({{"uri", link->uri()}}));
  if (!begun) {
    link->forget(qmp_);
    return begun.error();
  }
  if (auto connected = link->await_peer(qmp_, options_.limits); !connected) return connected;
  auto passed = pass_on(plain, tap, link->descriptor());
  // Before the end of the stream QEMU takes the close for a failed load; behind it, it waits for it
  // where it misses a vmdesc.
  link->close();
  if (!passed) return passed;
  return await_loaded(options_.limits);
}

Status Restore::pass_on(ByteSource& plain, StreamTap& tap, int fd) {
  MonitorWatch watch(qmp_, options_.limits, [&tap] { tap.report(); });
  MonitoredSink pipe(fd, watch);
  WatchedSink sink(pipe);
  StreamGuard guard(tap, sink);
  auto passed = guard_stream(plain, guard);
  if (!passed) return sink.failed() ? explain_write_error(passed.error()) : passed;
  warn_of_trailing_bytes(guard, observer_);
  return ok();
}

// A QEMU that gives up closes its end of the stream first and says why, or ends, a moment later.
// One that has loaded the guest without reading the vmdesc is content.
Status Restore::explain_write_error(const Error& error) {
  if (error.code != Errc::Environment) return error;
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
  if (auto prepared = prepare_run_state(); !prepared) return prepared.error();
  StreamTap tap(DigestMode::None, progress_to(observer_));
  if (auto fed = feed(plain, tap); !fed) return fed.error();
  auto state = settle_run_state();
  if (!state) return state.error();
  RestoreSummary summary = summarize(tap, start);
  summary.run_state = *state;
  return summary;
}

}  // namespace

Result<RestoreSummary> restore_stream(ByteSource& plain, ByteSink& sink,
                                      RestoreObserver* observer) {
  auto start = Clock::now();
  StreamTap tap(DigestMode::None, progress_to(observer));
  StreamGuard guard(tap, sink);
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
