// SPDX-License-Identifier: MIT
#include "guest/capture/borrowed_guest.h"

#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "base/json.h"
#include "guest/capture/refusal_hints.h"
#include "guest/capture/survivor.h"
#include "guest/monitor/query.h"
#include "io/fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kSwitchPatience = std::chrono::seconds(5);
constexpr auto kSwitchInterval = std::chrono::milliseconds(2);

// QEMU says completed a moment before it lets the guest go on.
Result<RunStatus> await_finished(QmpClient& qmp) {
  WaitLimits limits{.deadline = Clock::now() + kSwitchPatience};
  for (;;) {
    auto status = query_run_status(qmp);
    if (!status || status->name != "finish-migrate") return status;
    auto waited = pause_within(kSwitchInterval, limits, "QEMU to finish the migration");
    if (!waited) return waited.error();
  }
}

// Whether that save became a file is not QEMU's to know.
constexpr const char* kWantsToRun =
    "QEMU has sent this guest before, for a save that succeeded or not, and wants it to run (cont) "
    "before it sends it again";
constexpr auto kCancelPatience = std::chrono::milliseconds(500);
// For a QEMU that nobody reads any more to fail, or to come to its pause: what it usually takes,
// and the most.
constexpr auto kUntilItPauses = std::chrono::milliseconds(300);
constexpr auto kPausePatience = std::chrono::seconds(2);
constexpr auto kRecoveryPatience = std::chrono::seconds(5);
constexpr size_t kDryReadBytes = 1 << 20;

Error another_migration(const MigrationStatus& status) {
  bool is_postcopy = status.name.starts_with("postcopy");
  return Error{
      .code = Errc::Environment,
      .message = "another migration of this guest is under way (status '" + status.name + "')",
      .hint = is_postcopy
                  ? "wait until all of its memory is there; nothing can cancel a lazy restore"
                  : "wait for its end, or end it with migrate_cancel"};
}

}  // namespace

Result<GuestState> GuestState::read(QmpClient& qmp) {
  auto status = query_run_status(qmp);
  if (!status) return status.error();
  GuestState state;
  state.found_ = std::move(*status);
  return state;
}

Status GuestState::stop(QmpClient& qmp) {
  if (!was_running()) return ok();
  if (auto done = qmp.execute("stop"); !done) return done.error();
  return ok();
}

Status GuestState::resume(QmpClient& qmp) {
  if (!was_running()) return ok();
  auto now = await_finished(qmp);
  if (!now) return now.error();
  if (now->running) return ok();
  if (auto done = qmp.execute("cont"); !done) return done.error();
  return ok();
}

WaitLimits fresh_limits(Clock::duration patience) {
  return {.deadline = Clock::now() + patience};
}

BorrowedGuest::BorrowedGuest(QmpAddress address, QmpClient session)
    : address_(std::move(address)), qmp_(std::move(session)) {}

Status BorrowedGuest::look() {
  auto migration = query_migration(*qmp_);
  if (!migration) return migration.error();
  if (!migration->is_over()) return another_migration(*migration);
  auto found = GuestState::read(*qmp_);
  if (!found) return found.error();
  if (found->found_name() == "inmigrate") {
    return Error{Errc::Environment,
                 "there is no guest to save: this QEMU waits for an incoming stream"};
  }
  state_.emplace(std::move(*found));
  auto set = MigrationSettings::read(*qmp_);
  if (!set) return set.error();
  settings_.emplace(std::move(*set));
  return ok();
}

Status BorrowedGuest::check_migratable() {
  if (state_->found_name() == "postmigrate") {
    return refused(Error{Errc::Environment, "the guest is in the run state 'postmigrate'"});
  }
  auto status = query_migration(*qmp_);
  if (!status) return status.error();
  if (status->blocker.empty()) return ok();
  return refused(Error{Errc::Environment, "QEMU refuses to migrate it: " + status->blocker});
}

Status BorrowedGuest::open_link(bool must_end_well) {
  auto opened = MigrationLink::open(*qmp_, MigrationLink::Direction::FromQemu);
  if (!opened) return opened.error();
  link_.emplace(std::move(*opened));
  must_end_well_ = must_end_well;
  return ok();
}

Status BorrowedGuest::lend(const OutputFile& file, bool direct_io) {
  LentFile::take_back(*qmp_);  // what a save left there that was killed
  lends_file_ = true;
  auto lent = LentFile::lend(*qmp_, file, direct_io);
  if (!lent) return lent.error();
  lent_.emplace(*lent);
  return ok();
}

// A migration that must end well is drained, not cancelled.
Status BorrowedGuest::leave_will() {
  std::vector<QmpCommand> commands;
  if (!must_end_well_) commands.push_back({"migrate_cancel"});
  for (QmpCommand& command : settings_->way_back()) commands.push_back(std::move(command));
  if (lent_) commands.push_back(lent_->way_back());
  if (state_->was_running()) commands.push_back({"cont"});
  auto left = leave_last_will(*qmp_, commands, pauses_ ? kUntilItPauses : Clock::duration::zero());
  if (!left) return left.error();
  will_.emplace(std::move(*left));
  return ok();
}

Status BorrowedGuest::migrate_by_link(const WaitLimits& limits) {
  if (auto provided = provide_drain(); !provided) return provided;
  if (auto begun = start_migration(link_->uri()); !begun) return begun;
  if (auto met = link_->await_peer(*qmp_, limits); !met) return met;
  return provide_drain();
}

// As soon as there is what can be drained: a pipe before the stream begins, a socket when QEMU has
// connected to it.
Status BorrowedGuest::provide_drain() {
  if (!must_end_well_ || drain_ || link_->descriptor() < 0) return ok();
  auto started = leave_drain(link_->descriptor());
  if (!started) return started.error();
  drain_.emplace(std::move(*started));
  return ok();
}

Status BorrowedGuest::migrate_to_file() {
  return start_migration(lent_->uri());
}

Status BorrowedGuest::start_migration(const std::string& uri) {
  auto begun = qmp_->execute("migrate", to_text({{"uri", uri}}));
  migrating_ = true;
  if (begun) return ok();
  // After a refusal the session goes on, and what may be migrating is not ours to cancel; after a
  // lost answer nothing is known.
  if (query_run_status(*qmp_)) migrating_ = false;
  return refused(begun.error());
}

Error BorrowedGuest::refused(Error error) {
  error.hint =
      state_->found_name() == "postmigrate" ? kWantsToRun : hint_for_refusal(*qmp_, error.message);
  return error;
}

// QEMU before 8.2 keeps the reason of a failure from its monitor.
Result<MigrationStatus> BorrowedGuest::await_completed(const WaitLimits& limits) {
  auto status = await_migration_end(*qmp_, limits);
  if (!status) return status;
  migrating_ = false;
  if (status->name == "completed") return status;
  return Error{
      .code = Errc::Environment,
      .message = fmt::format("QEMU did not finish the stream: status '{}'{}{}", status->name,
                             status->error.empty() ? "" : ": ", status->error),
      .hint = status->error.empty() ? where_qemu_speaks(*qmp_)
                                    : hint_for_refusal(*qmp_, status->error)};
}

void BorrowedGuest::return_loans() {
  if (link_) link_->close();
  drain_.reset();
  if (lends_file_) LentFile::take_back(*qmp_);
}

Status BorrowedGuest::give_back() {
  if (migrating_) end_migration();
  if (link_) link_->close();
  drain_.reset();
  if (auto alive = revive(); !alive) return alive;
  qmp_->set_limits(fresh_limits(kRecoveryPatience));
  if (auto over = await_end(); !over) return over;
  MigrationLink::forget(*qmp_);
  if (lends_file_) LentFile::take_back(*qmp_);
  link_.reset();
  if (auto resumed = state_->resume(*qmp_); !resumed) return resumed;
  if (auto set = settings_->put_back(*qmp_); !set) return set;
  withdraw_will();
  return ok();
}

void BorrowedGuest::end_migration() {
  if (must_end_well_ && link_ && link_->descriptor() >= 0 && run_dry()) return;
  if (!drain_) return cancel();
  drain_->take_over();  // from a QEMU that stands still
}

// An answer that takes long here would be one that QEMU gives only after our end is closed: while
// it blocks in a write it may hold the lock that its monitor needs.
void BorrowedGuest::cancel() {
  if (pauses_) let_it_pause();
  qmp_->set_limits(fresh_limits(kCancelPatience));
  [[maybe_unused]] auto cancelled = qmp_->execute("migrate_cancel");
}

// A QEMU 7.2 that is told to cancel in the millisecond before its pause waits in it for ever: it
// has looked for a cancel before, and takes only one in the pause as a sign to go on. A stream that
// nobody reads makes it fail by itself, or it has sent all and comes to the pause.
// One that writes the file itself is newer, and could be long in coming there.
void BorrowedGuest::let_it_pause() {
  if (!link_) return;
  link_->close();
  qmp_->set_limits(fresh_limits(kPausePatience));
  [[maybe_unused]] auto stands = await_pause_or_end(*qmp_, fresh_limits(kPausePatience));
}

// To nowhere, for as long as something comes.
Status BorrowedGuest::run_dry() {
  std::vector<std::byte> nowhere(kDryReadBytes);
  for (;;) {
    auto count = read_some(link_->descriptor(), nowhere, fresh_limits(kRecoveryPatience));
    if (!count) return count.error();
    if (*count == 0) return ok();
  }
}

// The session may be what is broken, and QEMU be well: then it gets a new one. The will holds the
// old one too, and a monitor has one at a time; perhaps it only broke for us.
Status BorrowedGuest::revive() {
  qmp_->set_limits(fresh_limits(kRecoveryPatience));
  auto answer = query_run_status(*qmp_);
  if (answer) return ok();
  if (will_ && answer.error().code == Errc::TimedOut) return leave_to_will();
  if (will_) {
    [[maybe_unused]] auto done = will_->act(fresh_limits(kRecoveryPatience));
    withdraw_will();
  }
  qmp_.reset();
  auto again = QmpClient::connect(address_, fresh_limits(kRecoveryPatience));
  if (!again) return again.error();
  qmp_.emplace(std::move(*again));
  if (migrating_ && !must_end_well_) cancel();
  return ok();
}

// A QEMU that is stopped, or waits for its storage, may come back.
Error BorrowedGuest::leave_to_will() {
  will_->take_over();
  qmp_.reset();
  return Error{Errc::Environment, "QEMU does not answer; it will be told as soon as it does"};
}

Status BorrowedGuest::await_end() {
  if (!migrating_) return ok();
  auto over = await_migration_end(*qmp_, fresh_limits(kRecoveryPatience));
  if (!over) return over.error();
  migrating_ = false;
  return ok();
}

}  // namespace vmstream
