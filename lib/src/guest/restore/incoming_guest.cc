// SPDX-License-Identifier: MIT
#include "guest/restore/incoming_guest.h"

#include <fmt/format.h>

#include "base/json.h"
#include "guest/monitor/query.h"

namespace vmstream {
namespace {

// How long QEMU is given to say why it stopped reading.
constexpr auto kLastWords = std::chrono::seconds(2);

// A guest that is loaded, and whose disks QEMU cannot have.
Error explain_refused_cont(Error error) {
  bool is_locked = error.message.find("lock") != std::string::npos;
  bool is_missing = error.message.find("No such file") != std::string::npos;
  error.message = "the guest is loaded but does not start: " + error.message;
  if (is_locked) {
    error.hint =
        "another QEMU has a disk open, perhaps the one that was saved: end it first "
        "(vmdump --after quit), or give this one overlays";
  }
  if (is_missing) {
    error.hint = "a QEMU with -daemonize works in /: give it its disks by absolute names";
  }
  return error;
}

Error qemu_ended() {
  return Error{.code = Errc::Environment,
               .message = "QEMU ended while it loaded the guest",
               .hint = "QEMU says why on its own stderr; often machine type or devices differ"};
}

}  // namespace

Status IncomingSink::begin() {
  // Before the load `stop` is QEMU's way to say that the guest shall not start after it.
  if (start_paused_) {
    if (auto done = qmp_.execute("stop"); !done) return done.error();
  }
  auto opened = MigrationLink::open(qmp_, MigrationLink::Direction::ToQemu);
  if (!opened) return opened.error();
  link_.emplace(std::move(*opened));
  auto begun = qmp_.execute("migrate-incoming", to_text({{"uri", link_->uri()}}));
  if (!begun) {
    MigrationLink::forget(qmp_);
    return begun.error();
  }
  if (auto met = link_->await_peer(qmp_, watch_.limits()); !met) return met;
  pipe_.emplace(link_->descriptor(), watch_);
  return ok();
}

Status IncomingSink::write(std::span<const std::byte> bytes) {
  if (!pipe_) {
    if (auto begun = begin(); !begun) return begun;
  }
  auto written = pipe_->write(bytes);
  if (!written) broken_ = written.error().code == Errc::Environment;
  return written;
}

Status IncomingSink::finish() {
  pipe_.reset();
  link_.reset();
  return ok();
}

Status require_waiting(QmpClient& qmp) {
  auto status = query_run_status(qmp);
  if (!status) return status.error();
  if (status->name == "inmigrate") return ok();
  return Error{.code = Errc::Environment,
               .message = fmt::format("this QEMU waits for no guest: run state '{}', wanted "
                                      "'inmigrate'",
                                      status->name),
               .hint = "start the QEMU that is to take the guest with -incoming defer"};
}

Status await_loaded(QmpClient& qmp, const WaitLimits& limits) {
  auto status = await_load_end(qmp, limits);
  if (!status) {
    return status.error().code == Errc::Environment ? qemu_ended() : status.error();
  }
  if (status->name == "completed") return ok();
  return Error{Errc::Environment,
               fmt::format("QEMU could not load the guest: status '{}'{}{}", status->name,
                           status->error.empty() ? "" : ": ", status->error)};
}

Status explain_broken_load(QmpClient& qmp, const WaitLimits& limits, const Error& error) {
  WaitLimits patience{limits.cancellation, Clock::now() + kLastWords};
  qmp.set_limits(patience);
  auto loaded = await_loaded(qmp, patience);
  qmp.set_limits(limits);
  return !loaded && loaded.error().code == Errc::TimedOut ? error : loaded;
}

std::optional<Error> stop_unproved_guest(QmpClient& qmp, const WaitLimits& limits) {
  qmp.set_limits({.deadline = Clock::now() + kLastWords});
  auto status = query_migration(qmp);
  bool loaded = status && status->name == "completed";
  bool stopped = loaded && qmp.execute("stop");
  qmp.set_limits(limits);
  if (!loaded) return std::nullopt;
  return Error{.code = Errc::Malformed,
               .message = fmt::format("QEMU has loaded a guest before the stream's end, of a file "
                                      "made to deceive it; the guest {}",
                                      stopped ? "was stopped" : "COULD NOT BE STOPPED"),
               .hint = "end this QEMU: what it runs is nobody's saved guest"};
}

Result<std::string> settle_run_state(QmpClient& qmp, RunState wanted) {
  auto status = query_run_status(qmp);
  if (!status) return status.error();
  if (wanted == RunState::Running && !status->running) {
    if (auto done = qmp.execute("cont"); !done) return explain_refused_cont(done.error());
    status = query_run_status(qmp);
    if (!status) return status.error();
  }
  return status->name;
}

}  // namespace vmstream
