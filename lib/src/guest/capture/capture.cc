// SPDX-License-Identifier: MIT
// Saving a guest, and giving it back as it was found whatever happens.
#include <vmstream/capture.h>

#include <fmt/format.h>
#include <poll.h>

#include <chrono>

#include "base/json.h"
#include "guest/capture/capture_listener.h"
#include "guest/capture/capture_mode.h"
#include "guest/capture/capture_tap.h"
#include "guest/capture/disk_moment.h"
#include "guest/capture/guest_state.h"
#include "guest/capture/mapped_save.h"
#include "guest/capture/stream_drain.h"
#include "guest/migration_link.h"
#include "guest/monitor/monitored_io.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// What is done after a failure has time of its own: the limits may be what has failed.
constexpr auto kCancelPatience = std::chrono::milliseconds(500);
constexpr auto kRecoveryPatience = std::chrono::seconds(5);
constexpr auto kQuitPatience = std::chrono::seconds(10);
constexpr size_t kDryReadBytes = 1 << 20;

WaitLimits fresh_limits(Clock::duration patience) {
  return {.deadline = Clock::now() + patience};
}

// As QEMU stamps its events.
double system_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Error another_migration(const MigrationStatus& status) {
  return Error{
      .code = Errc::Environment,
      .message = "another migration of this guest is under way (status '" + status.name + "')",
      .hint = "wait for its end, or end it with migrate_cancel"};
}

std::string unsafe_live_save(const std::string& qemu_version) {
  return fmt::format(
      "QEMU {} emulates this guest without KVM and, before 9.0, can lose pages that it writes "
      "while it is saved live; --mode stop and background are safe",
      qemu_version);
}

}  // namespace

struct GuestCapture::State {
  State(QmpAddress where, CaptureOptions how, CaptureObserver* who, QmpClient client)
      : address(std::move(where)), options(std::move(how)), observer(who), qmp(std::move(client)) {}

  Status look();
  Status choose_mode();
  Status plan_disks(const std::string& time);
  Status begin();
  Status set_parameters();
  Status stop_guest();
  Status start_migration(const std::string& uri);
  bool must_end_well() const;
  Status provide_drain();
  void begin_live();
  std::unique_ptr<MonitorListener> disk_moment(std::function<bool()> page_seen);
  Status transfer(ByteSink& sink, StreamTap& tap);
  std::optional<Pace> pace() const;
  Status migrate(CaptureTap& tap, ByteSink& sink);
  Status expect_completed();
  Status expect_disks();
  Status settle_guest();
  void hear_events();
  Result<CaptureSummary> capture(ByteSink& sink);
  CaptureCircumstances circumstances(const std::string& time) const;
  CaptureSummary summarize(CaptureSummary summary);
  Status write_mapped(MappedSave& save, const OutputFile& file);
  Result<CaptureSummary> save_mapped(MappedSave& save, const OutputFile& file);
  Result<CaptureSummary> capture_mapped(OutputFile& file);
  Status pause();
  Status quit();
  void abandon();
  void note_failure(const Status& recovery);
  Status undo_disks();
  Status give_back();
  void end_migration();
  void cancel();
  Status run_dry();
  Status revive();

  QmpAddress address;
  CaptureOptions options;
  CaptureObserver* observer;
  std::optional<QmpClient> qmp;
  std::optional<GuestState> guest = std::nullopt;
  std::optional<MigrationSettings> settings = std::nullopt;
  std::optional<MigrationLink> link = std::nullopt;
  std::optional<StreamDrain> drain = std::nullopt;
  std::optional<LiveSave> live = std::nullopt;
  std::optional<DiskSnapshot> disks = std::nullopt;
  ChosenMode chosen = {};
  PauseClock pause_clock = {};
  double pause_seconds = 0;
  bool touched = false;    // something of the guest or of QEMU is owed
  bool migrating = false;  // from `migrate` until its end has been seen
  bool saved = false;      // the sink has taken a complete stream
  std::optional<Error> recovery_error = std::nullopt;
};

Status GuestCapture::State::look() {
  auto migration = query_migration(*qmp);
  if (!migration) return migration.error();
  if (!migration->is_over()) return another_migration(*migration);
  auto found = GuestState::read(*qmp);
  if (!found) return found.error();
  if (found->found_name() == "inmigrate") {
    return Error{Errc::Environment,
                 "there is no guest to save: this QEMU waits for an incoming stream"};
  }
  guest.emplace(std::move(*found));
  auto set = MigrationSettings::read(*qmp);
  if (!set) return set.error();
  settings.emplace(std::move(*set));
  return ok();
}

Status GuestCapture::State::choose_mode() {
  touched = true;
  auto prepared = prepare_mode(*qmp, *settings, options, guest->was_running());
  if (!prepared) return prepared.error();
  chosen = std::move(*prepared);
  if (chosen.mode != CaptureMode::Live) return ok();
  auto unsafe = loses_dirty_pages(*qmp);
  if (!unsafe) return unsafe.error();
  if (*unsafe && observer) observer->on_warning(unsafe_live_save(qmp->qemu_version()));
  return ok();
}

// After this QEMU has only been asked.
Status GuestCapture::State::plan_disks(const std::string& time) {
  if (!options.disk_folder) return ok();
  if (chosen.mode != CaptureMode::Background && !settings->knows_capability(kPauseAtEnd)) {
    return Error{Errc::Unsupported,
                 fmt::format("QEMU {} does not pause for its disks at the end of a save",
                             qmp->qemu_version())};
  }
  auto planned = DiskSnapshot::plan(*qmp, *options.disk_folder, time);
  if (!planned) return planned.error();
  disks.emplace(std::move(*planned));
  if (disks->disks().empty() && observer)
    observer->on_warning("it has no disk that it can write to");
  return ok();
}

Status GuestCapture::State::set_parameters() {
  uint64_t bandwidth = options.max_bandwidth.value_or(kUnlimitedBandwidth);
  if (auto done = settings->set_parameter(*qmp, "max-bandwidth", bandwidth); !done) return done;
  if (options.downtime_limit && chosen.mode == CaptureMode::Live) {
    auto limit = static_cast<uint64_t>(options.downtime_limit->count());
    if (auto done = settings->set_parameter(*qmp, "downtime-limit", limit); !done) return done;
  }
  return ok();
}

// Everything up to the first byte of the stream.
Status GuestCapture::State::begin() {
  if (auto set = set_parameters(); !set) return set;
  auto opened = MigrationLink::open(*qmp, MigrationLink::Direction::FromQemu);
  if (!opened) return opened.error();
  link.emplace(std::move(*opened));
  if (auto stopped = stop_guest(); !stopped) return stopped;
  if (auto provided = provide_drain(); !provided) return provided;
  if (auto begun = start_migration(link->uri()); !begun) return begun;
  if (auto met = link->await_peer(*qmp, options.limits); !met) return met;
  return provide_drain();
}

// QEMU itself stops a guest that is saved live or in the background, the latter too late for disks.
Status GuestCapture::State::stop_guest() {
  bool disks_first = disks && chosen.mode == CaptureMode::Background;
  if (chosen.mode != CaptureMode::Stop && !disks_first) return ok();
  if (auto done = guest->stop(*qmp); !done) return done;
  return disks_first ? disks->take(*qmp) : ok();
}

std::unique_ptr<MonitorListener> GuestCapture::State::disk_moment(std::function<bool()> page_seen) {
  if (!disks) return nullptr;
  if (chosen.mode != CaptureMode::Background) {
    return std::make_unique<SnapshotAtSwitchover>(*qmp, *disks);
  }
  return std::make_unique<GoOnOnceProtected>(*qmp, std::move(page_seen));
}

bool GuestCapture::State::must_end_well() const {
  return chosen.mode == CaptureMode::Background && stays_protected(qmp->qemu_version());
}

// As soon as there is what can be drained: a pipe before the stream begins, a socket when QEMU has
// connected to it.
Status GuestCapture::State::provide_drain() {
  if (!must_end_well() || drain || link->descriptor() < 0) return ok();
  auto started = StreamDrain::start(link->descriptor());
  if (!started) return started.error();
  drain.emplace(std::move(*started));
  return ok();
}

Status GuestCapture::State::start_migration(const std::string& uri) {
  auto begun = qmp->execute("migrate", to_text({{"uri", uri}}));
  migrating = true;
  if (begun) return ok();
  // After a refusal the session goes on, and what may be migrating is not ours to cancel; after a
  // lost answer nothing is known.
  if (query_run_status(*qmp)) migrating = false;
  Error error = begun.error();
  if (guest->found_name() == "postmigrate") {
    error.hint = "it stands still since it was last saved: QEMU wants a cont before the next save";
  }
  return error;
}

// QEMU sends a background snapshot as fast as it is read, whatever it is set to.
std::optional<Pace> GuestCapture::State::pace() const {
  if (chosen.mode != CaptureMode::Background || !options.max_bandwidth) return std::nullopt;
  return Pace(*options.max_bandwidth);
}

void GuestCapture::State::begin_live() {
  if (chosen.mode != CaptureMode::Live) return;
  settings->owe_parameter("downtime-limit");  // by which it is ended
  live.emplace(*qmp, options, observer);
}

Status GuestCapture::State::transfer(ByteSink& sink, StreamTap& tap) {
  begin_live();
  auto moment = disk_moment([&tap] { return tap.counts().pages > 0; });
  CaptureListener listener(pause_clock, live ? &*live : nullptr, moment.get());
  MonitorWatch watch(
      *qmp, options.limits, [&tap] { tap.report(); }, &listener);
  MonitoredSource source(link->descriptor(), watch, pace());
  if (auto moved = pump(source, sink, &tap); !moved) return moved.error();
  return expect_completed();
}

Status GuestCapture::State::expect_completed() {
  auto status = await_migration_end(*qmp, options.limits);
  if (!status) return status.error();
  migrating = false;
  if (status->name == "completed") return expect_disks();
  return Error{Errc::Environment,
               fmt::format("QEMU did not finish the stream: status '{}'{}{}", status->name,
                           status->error.empty() ? "" : ": ", status->error)};
}

Status GuestCapture::State::expect_disks() {
  if (!disks || disks->is_done()) return ok();
  return Error{Errc::Environment, "QEMU finished the stream without a pause for its disks"};
}

// Events that have come while an answer was awaited.
void GuestCapture::State::hear_events() {
  auto event = qmp->take_event();
  for (; event && *event; event = qmp->take_event()) pause_clock.on_event(**event);
}

// QEMU has sent everything: what was borrowed of it goes back, before the output is finished.
Status GuestCapture::State::settle_guest() {
  if (link) link->close();
  drain.reset();
  if (options.mapped_ram) LentFile::take_back(*qmp);
  if (options.after == After::Keep) {
    if (auto resumed = guest->resume(*qmp); !resumed) return resumed;
  }
  hear_events();
  pause_seconds = pause_clock.seconds(system_time());
  return settings->put_back(*qmp);
}

Status GuestCapture::State::migrate(CaptureTap& tap, ByteSink& sink) {
  if (auto planned = plan_disks(tap.time()); !planned) return planned;
  if (auto begun = begin(); !begun) return begun;
  if (auto moved = transfer(sink, tap.stream()); !moved) return moved;
  if (auto whole = tap.finish(); !whole) return whole;
  if (auto settled = settle_guest(); !settled) return settled;
  tap.give_index(circumstances(tap.time()));
  return sink.finish();
}

CaptureCircumstances GuestCapture::State::circumstances(const std::string& time) const {
  CaptureCircumstances how{.mode = std::string(name_of(chosen.mode)),
                           .time = time,
                           .qemu_version = qmp->qemu_version(),
                           .run_state = guest->found_name()};
  if (disks) how.disks = disks->disks();
  return how;
}

Result<CaptureSummary> GuestCapture::State::capture(ByteSink& sink) {
  auto done = choose_mode();
  CaptureTap tap(chosen.mode, options, observer);
  if (done) done = migrate(tap, sink);
  if (!done) {
    abandon();
    return done.error();
  }
  saved = true;
  return summarize(tap.summary());
}

// Until QEMU has written the file, and the guest goes on.
Status GuestCapture::State::write_mapped(MappedSave& save, const OutputFile& file) {
  if (auto set = set_parameters(); !set) return set;
  if (auto prepared = save.prepare(*settings, file); !prepared) return prepared;
  if (auto stopped = stop_guest(); !stopped) return stopped;
  if (auto begun = start_migration(save.uri()); !begun) return begun;
  begin_live();
  auto moment = disk_moment({});
  CaptureListener listener(pause_clock, live ? &*live : nullptr, moment.get());
  if (auto ended = save.await_end(listener); !ended) return ended;
  if (auto completed = expect_completed(); !completed) return completed;
  return settle_guest();
}

Result<CaptureSummary> GuestCapture::State::save_mapped(MappedSave& save, const OutputFile& file) {
  std::string time = current_time();
  if (auto chose = choose_mode(); !chose) return chose.error();
  if (auto planned = plan_disks(time); !planned) return planned.error();
  if (auto written = write_mapped(save, file); !written) return written.error();
  return save.survey(file, live ? &*live : nullptr, circumstances(time));
}

Result<CaptureSummary> GuestCapture::State::capture_mapped(OutputFile& file) {
  MappedSave save(*qmp, options, observer);
  if (auto possible = save.check(*settings); !possible) return possible.error();
  auto summary = save_mapped(save, file);
  if (!summary) {
    abandon();
    return summary;
  }
  saved = true;
  return summarize(std::move(*summary));
}

CaptureSummary GuestCapture::State::summarize(CaptureSummary summary) {
  summary.mode = chosen.mode;
  summary.mode_reason = chosen.reason;
  summary.qemu_version = qmp->qemu_version();
  summary.pause_seconds = pause_seconds;
  if (disks) {
    summary.disks = disks->disks();
    summary.left_out_disks = disks->left_out();
  }
  if (chosen.mode == CaptureMode::Background) summary.ended_by = EndedBy::Background;
  if (!live) return summary;
  summary.ended_by = live->ended_by();
  summary.shortfall = live->shortfall();
  if (!options.mapped_ram) live->tell_dirtied(summary.passes);
  return summary;
}

// Only after a background save the guest still runs.
Status GuestCapture::State::pause() {
  return chosen.mode == CaptureMode::Background ? guest->stop(*qmp) : ok();
}

// The monitor's close is what proves that QEMU has gone.
Status GuestCapture::State::quit() {
  WaitLimits patience = fresh_limits(kQuitPatience);
  qmp->set_limits(patience);
  if (auto asked = qmp->execute("quit"); !asked) return asked.error();
  MonitorWatch watch(*qmp, patience, [] {});
  auto closed = watch.await(qmp->descriptor(), POLLIN);
  while (closed) closed = watch.await(qmp->descriptor(), POLLIN);
  return closed.error().code == Errc::TimedOut ? closed : ok();
}

void GuestCapture::State::abandon() {
  if (!std::exchange(touched, false)) return;
  note_failure(give_back());
  note_failure(undo_disks());
}

void GuestCapture::State::note_failure(const Status& recovery) {
  if (recovery) return;
  const Error& error = recovery.error();
  if (recovery_error) {
    recovery_error->message += "; " + error.message;
    return;
  }
  recovery_error = error;
  recovery_error->message =
      "the guest could not be put back as it was found: " + recovery_error->message;
  if (!error.hint.empty()) return;
  recovery_error->hint =
      guest->was_running()
          ? "if QEMU still runs: type migrate_cancel, then cont, into its human monitor"
          : "if QEMU still runs: type migrate_cancel into its human monitor";
}

// Last, with the guest running if it did: merging takes as long as there is something to merge.
Status GuestCapture::State::undo_disks() {
  return disks ? disks->undo(qmp ? &*qmp : nullptr) : ok();
}

// An answer that takes long here would be one that QEMU gives only after our end is closed: while
// it blocks in a write it may hold the lock that its monitor needs.
void GuestCapture::State::cancel() {
  qmp->set_limits(fresh_limits(kCancelPatience));
  [[maybe_unused]] auto cancelled = qmp->execute("migrate_cancel");
}

// To nowhere, for as long as something comes.
Status GuestCapture::State::run_dry() {
  std::vector<std::byte> nowhere(kDryReadBytes);
  for (;;) {
    auto count = read_some(link->descriptor(), nowhere, fresh_limits(kRecoveryPatience));
    if (!count) return count.error();
    if (*count == 0) return ok();
  }
}

void GuestCapture::State::end_migration() {
  if (must_end_well() && link && link->descriptor() >= 0 && run_dry()) return;
  if (drain) drain->take_over();  // from a QEMU that stands still
  cancel();
}

// The session may be what is broken, and QEMU be well: then it gets a new one.
Status GuestCapture::State::revive() {
  qmp->set_limits(fresh_limits(kRecoveryPatience));
  if (query_run_status(*qmp)) return ok();
  qmp.reset();
  auto again = QmpClient::connect(address, fresh_limits(kRecoveryPatience));
  if (!again) return again.error();
  qmp.emplace(std::move(*again));
  if (migrating) cancel();
  return ok();
}

Status GuestCapture::State::give_back() {
  if (migrating) end_migration();
  if (link) link->close();
  drain.reset();
  if (auto alive = revive(); !alive) return alive;
  WaitLimits patience = fresh_limits(kRecoveryPatience);
  qmp->set_limits(patience);
  if (migrating) {
    auto over = await_migration_end(*qmp, patience);
    if (!over) return over.error();
    migrating = false;
  }
  MigrationLink::forget(*qmp);
  if (options.mapped_ram) LentFile::take_back(*qmp);
  link.reset();
  if (auto resumed = guest->resume(*qmp); !resumed) return resumed;
  return settings->put_back(*qmp);
}

GuestCapture::GuestCapture(std::unique_ptr<State> state) : state_(std::move(state)) {}
GuestCapture::GuestCapture(GuestCapture&&) noexcept = default;
GuestCapture::~GuestCapture() {
  if (state_) state_->abandon();
}

Result<GuestCapture> GuestCapture::open(const QmpAddress& address, const CaptureOptions& options,
                                        CaptureObserver* observer) {
  auto client = QmpClient::connect(address, options.limits);
  if (!client) return client.error();
  auto state = std::make_unique<State>(address, options, observer, std::move(*client));
  if (auto looked = state->look(); !looked) return looked.error();
  return GuestCapture(std::move(state));
}

Result<CaptureSummary> GuestCapture::capture(ByteSink& sink) {
  return state_->capture(sink);
}

Result<CaptureSummary> GuestCapture::capture_mapped(OutputFile& file) {
  if (!state_->options.mapped_ram) {
    return Error{Errc::Usage, "capture_mapped() without CaptureOptions::mapped_ram"};
  }
  return state_->capture_mapped(file);
}

Status GuestCapture::complete() {
  if (!state_->saved) return Error{Errc::Usage, "complete() without a capture that succeeded"};
  state_->touched = false;
  switch (state_->options.after) {
    case After::Keep:
      return ok();
    case After::Pause:
      return state_->pause();
    case After::Quit:
      return state_->quit();
  }
  return ok();
}

const std::optional<Error>& GuestCapture::recovery_error() const {
  return state_->recovery_error;
}

void GuestCapture::abandon() {
  state_->abandon();
}

Result<CaptureSummary> capture_stream(ByteSource& source, ByteSink& sink,
                                      const CaptureOptions& options, CaptureObserver* observer) {
  CaptureTap tap(CaptureMode::Stop, options, observer);
  if (auto moved = pump(source, sink, &tap.stream()); !moved) return moved.error();
  if (auto whole = tap.finish(); !whole) return whole.error();
  tap.give_index({.mode = "stream"});
  if (auto finished = sink.finish(); !finished) return finished.error();
  return tap.summary();
}

}  // namespace vmstream
