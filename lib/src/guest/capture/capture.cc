// SPDX-License-Identifier: MIT
// Saving a guest, and giving it back as it was found whatever happens.
#include <vmstream/capture.h>

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>

#include <vmstream/text.h>
#include "guest/capture/borrowed_guest.h"
#include "guest/capture/capture_disks.h"
#include "guest/capture/capture_listener.h"
#include "guest/capture/capture_mode.h"
#include "guest/capture/capture_recorder.h"
#include "guest/capture/capture_state.h"
#include "guest/capture/mapped_save.h"
#include "guest/disks/disk_rules.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {
namespace {

constexpr auto kQuitPatience = std::chrono::seconds(10);

// As QEMU stamps its events.
double system_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// By a monitor.
struct MonitoredCapture final : GuestCapture::State {
  MonitoredCapture(QmpAddress where, CaptureOptions how, CaptureObserver* who, QmpClient client)
      : borrowed(std::move(where), std::move(client)), options(std::move(how)), observer(who) {
    if (!observer) return;
    pause_clock = PauseClock([this](bool stands_still) { observer->on_pause(stands_still); });
  }

  QmpClient& qmp() { return borrowed.qmp(); }
  Status choose_mode();
  Status plan_disks(const std::string& time) {
    return disks.plan(borrowed, options, chosen.mode, time, observer);
  }
  Status begin();
  Status set_parameters();
  Status stop_guest();
  bool must_end_well();
  void begin_live();
  Status transfer(ByteSink& sink, ProgressTap& tap);
  std::optional<Pace> pace() const;
  Status migrate(CaptureRecorder& recorder, ByteSink& sink);
  Status expect_completed();
  Status settle_guest();
  void hear_events();
  Status look_ahead();
  Result<CaptureSummary> rehearse() override;
  Result<CaptureSummary> capture(ByteSink& sink) override;
  CaptureCircumstances circumstances(const std::string& time);
  CaptureSummary summarize(CaptureSummary summary);
  Status write_mapped(MappedSave& save, const OutputFile& file);
  Result<CaptureSummary> save_mapped(MappedSave& save, const OutputFile& file);
  Result<CaptureSummary> capture_mapped(OutputFile& file) override;
  Status complete() override;
  Status pause();
  Status quit();
  void abandon() override;
  GuestFate fate() const override;
  const std::optional<Error>& recovery_error() const override { return failure; }
  void note_failure(Error error);

  BorrowedGuest borrowed;
  CaptureOptions options;
  CaptureObserver* observer;
  std::optional<LiveSave> live = std::nullopt;
  CaptureDisks disks = {};
  ChosenMode chosen = {};
  PauseClock pause_clock = {};
  double pause_seconds = 0;
  std::optional<RamProgress> sent = std::nullopt;  // as QEMU counts it at the end
  bool touched = false;                            // something of the guest or of QEMU is owed
  bool was_touched = false;                        // from the first byte that is asked for on
  bool saved = false;                              // the sink has taken a complete stream
  bool completing = false;                         // it is paused or ended as was asked for
  std::optional<Error> failure = std::nullopt;
};

Status MonitoredCapture::choose_mode() {
  touched = was_touched = true;
  auto prepared = prepare_mode(qmp(), borrowed.settings(), options, borrowed.state().was_running());
  if (!prepared) return prepared.error();
  chosen = std::move(*prepared);
  if (chosen.mode != CaptureMode::Live) return ok();
  auto danger = danger_of_live_save(qmp());
  if (!danger) return danger.error();
  if (!danger->empty() && observer) observer->on_warning(*danger);
  return ok();
}

Status MonitoredCapture::set_parameters() {
  auto set = borrowed.settings().set_parameters(qmp(), parameters_for(chosen.mode, options));
  if (!set || chosen.mode != CaptureMode::Live) return set;
  borrowed.settings().owe_parameter("downtime-limit");  // by which it is ended
  return ok();
}

// Everything up to the first byte of the stream.
Status MonitoredCapture::begin() {
  if (auto set = set_parameters(); !set) return set;
  if (auto opened = borrowed.open_link(must_end_well()); !opened) return opened;
  if (auto left = borrowed.leave_will(); !left) return left;
  if (auto stopped = stop_guest(); !stopped) return stopped;
  return borrowed.migrate_by_link(options.limits);
}

// QEMU itself stops a guest that is saved live or in the background, the latter too late for disks.
Status MonitoredCapture::stop_guest() {
  if (chosen.mode != CaptureMode::Stop && !disks.come_first()) return ok();
  if (auto done = borrowed.state().stop(qmp()); !done) return done;
  return disks.come_first() ? disks.take(qmp()) : ok();
}

bool MonitoredCapture::must_end_well() {
  return chosen.mode == CaptureMode::Background && stays_protected(qmp().qemu_version());
}

// QEMU sends a background snapshot as fast as it is read, whatever it is set to.
std::optional<Pace> MonitoredCapture::pace() const {
  if (chosen.mode != CaptureMode::Background || !options.max_bandwidth) return std::nullopt;
  return Pace(*options.max_bandwidth);
}

void MonitoredCapture::begin_live() {
  if (chosen.mode == CaptureMode::Live) live.emplace(qmp(), options, observer);
}

Status MonitoredCapture::transfer(ByteSink& sink, ProgressTap& tap) {
  begin_live();
  auto moment = disks.moment(qmp(), [&tap] { return tap.counts().pages > 0; });
  CaptureListener listener(pause_clock, live ? &*live : nullptr, moment.get());
  MonitorWatch watch(
      qmp(), options.limits, [&tap] { tap.report(); }, &listener);
  MonitoredSource source(borrowed.stream(), watch, pace());
  if (auto moved = pump(source, sink, &tap); !moved) return moved.error();
  return expect_completed();
}

Status MonitoredCapture::expect_completed() {
  auto completed = borrowed.await_completed(options.limits);
  if (!completed) return completed.error();
  sent = completed->ram;
  if (disks.are_done()) return ok();
  return Error{Errc::Environment, "QEMU finished the stream without a pause for its disks"};
}

// Events that have come while an answer was awaited.
void MonitoredCapture::hear_events() {
  auto event = qmp().take_event();
  for (; event && *event; event = qmp().take_event()) pause_clock.on_event(**event);
}

// QEMU has sent everything: what was borrowed of it goes back, before the output is finished.
Status MonitoredCapture::settle_guest() {
  borrowed.return_loans();
  if (options.after == After::Keep) {
    if (auto resumed = borrowed.state().resume(qmp()); !resumed) return resumed;
  }
  hear_events();
  pause_seconds = pause_clock.seconds(system_time());
  if (auto set = borrowed.settings().put_back(qmp()); !set) return set;
  borrowed.withdraw_will();
  return ok();
}

Status MonitoredCapture::migrate(CaptureRecorder& recorder, ByteSink& sink) {
  if (auto planned = plan_disks(recorder.time()); !planned) return planned;
  if (auto begun = begin(); !begun) return begun;
  if (auto moved = transfer(sink, recorder.tap()); !moved) return moved;
  if (auto whole = recorder.finish(); !whole) return whole;
  if (auto same = recorder.compare(sent.value_or(RamProgress())); !same) return same;
  if (auto settled = settle_guest(); !settled) return settled;
  recorder.give_index(circumstances(recorder.time()));
  return sink.finish();
}

CaptureCircumstances MonitoredCapture::circumstances(const std::string& time) {
  return {.mode = std::string(name_of(chosen.mode)),
          .time = time,
          .qemu_version = qmp().qemu_version(),
          .run_state = borrowed.state().found_name(),
          .disks = disks.saved()};
}

Status MonitoredCapture::look_ahead() {
  if (options.mapped_ram) {
    auto possible = MappedSave(qmp(), options, observer).check(borrowed.settings());
    if (!possible) return possible;
  }
  if (auto chose = choose_mode(); !chose) return chose;
  if (auto planned = plan_disks(current_time()); !planned) return planned;
  return borrowed.check_migratable();
}

Result<CaptureSummary> MonitoredCapture::rehearse() {
  auto looked = look_ahead();
  if (looked) looked = set_parameters();
  abandon();
  was_touched = failure.has_value();
  if (!looked) return looked.error();
  if (failure) return *failure;
  return summarize({});
}

Result<CaptureSummary> MonitoredCapture::capture(ByteSink& sink) {
  auto done = choose_mode();
  CaptureRecorder recorder(chosen.mode, options, observer);
  if (done) done = migrate(recorder, sink);
  if (!done) {
    abandon();
    return done.error();
  }
  saved = true;
  return summarize(recorder.summary());
}

// Until QEMU has written the file, and the guest goes on.
Status MonitoredCapture::write_mapped(MappedSave& save, const OutputFile& file) {
  if (auto set = set_parameters(); !set) return set;
  auto lent = borrowed.lend(file, options.mapped_ram->direct_io);
  if (!lent) return lent;
  if (auto left = borrowed.leave_will(); !left) return left;
  if (auto stopped = stop_guest(); !stopped) return stopped;
  if (auto begun = borrowed.migrate_to_file(); !begun) return begun;
  begin_live();
  auto moment = disks.moment(qmp(), {});
  CaptureListener listener(pause_clock, live ? &*live : nullptr, moment.get());
  if (auto ended = save.await_end(listener); !ended) return ended;
  if (auto completed = expect_completed(); !completed) return completed;
  return settle_guest();
}

Result<CaptureSummary> MonitoredCapture::save_mapped(MappedSave& save, const OutputFile& file) {
  std::string time = current_time();
  if (auto chose = choose_mode(); !chose) return chose.error();
  if (auto planned = plan_disks(time); !planned) return planned.error();
  if (auto written = write_mapped(save, file); !written) return written.error();
  return save.survey(file, live ? &*live : nullptr, circumstances(time));
}

Result<CaptureSummary> MonitoredCapture::capture_mapped(OutputFile& file) {
  if (!options.mapped_ram) {
    return Error{Errc::Usage, "capture_mapped() without CaptureOptions::mapped_ram"};
  }
  MappedSave save(qmp(), options, observer);
  if (auto possible = save.check(borrowed.settings()); !possible) return possible.error();
  auto summary = save_mapped(save, file);
  if (!summary) {
    abandon();
    return summary;
  }
  saved = true;
  return summarize(std::move(*summary));
}

CaptureSummary MonitoredCapture::summarize(CaptureSummary summary) {
  summary.mode = chosen.mode;
  summary.mode_reason = chosen.reason;
  summary.qemu_version = qmp().qemu_version();
  summary.pause_seconds = pause_seconds;
  disks.tell(summary);
  if (chosen.mode == CaptureMode::Background) summary.ended_by = EndedBy::Background;
  if (!live) return summary;
  summary.ended_by = live->ended_by();
  summary.shortfall = live->shortfall();
  if (!options.mapped_ram) live->tell_dirtied(summary.passes);
  return summary;
}

// Only after a background save the guest still runs.
Status MonitoredCapture::pause() {
  return chosen.mode == CaptureMode::Background ? borrowed.state().stop(qmp()) : ok();
}

// The monitor's close is what proves that QEMU has gone; it may come before the answer does.
Status MonitoredCapture::quit() {
  WaitLimits patience = fresh_limits(kQuitPatience);
  qmp().set_limits(patience);
  if (auto asked = qmp().post("quit"); !asked) return asked;
  MonitorWatch watch(qmp(), patience, [] {});
  auto closed = watch.await(qmp().descriptor(), POLLIN);
  while (closed) closed = watch.await(qmp().descriptor(), POLLIN);
  return closed.error().code == Errc::TimedOut ? closed : ok();
}

void MonitoredCapture::abandon() {
  if (!std::exchange(touched, false)) return;
  if (auto given_back = borrowed.give_back(); !given_back) {
    Error error = given_back.error();
    error.hint = borrowed.state().was_running()
                     ? "if QEMU still runs: type migrate_cancel, then cont, into its human monitor"
                     : "if QEMU still runs: type migrate_cancel into its human monitor";
    note_failure(std::move(error));
  }
  // Last, with the guest running if it did: merging takes as long as there is something to merge.
  if (auto undone = disks.undo(borrowed.surviving_qmp()); !undone) note_failure(undone.error());
}

GuestFate MonitoredCapture::fate() const {
  if (failure || completing) return GuestFate::Unknown;
  if (!was_touched) return GuestFate::Untouched;
  return borrowed.state().was_running() ? GuestFate::Running : GuestFate::Stopped;
}

void MonitoredCapture::note_failure(Error error) {
  if (failure) {
    failure->message += "; " + error.message;
    return;
  }
  error.message = "the guest could not be put back as it was found: " + error.message;
  failure = std::move(error);
}

Status MonitoredCapture::complete() {
  if (!saved) return Error{Errc::Usage, "complete() without a capture that succeeded"};
  touched = false;
  completing = true;
  switch (options.after) {
    case After::Keep:
      return ok();
    case After::Pause:
      return pause();
    case After::Quit:
      return quit();
  }
  return ok();
}

}  // namespace

GuestCapture::GuestCapture(std::unique_ptr<State> state) : state_(std::move(state)) {}
GuestCapture::GuestCapture(GuestCapture&&) noexcept = default;
GuestCapture::~GuestCapture() {
  if (state_) state_->abandon();
}

Result<GuestCapture> GuestCapture::open(const QmpAddress& address, const CaptureOptions& options,
                                        CaptureObserver* observer) {
  auto warn = [observer](const std::string& text) {
    if (observer) observer->on_warning(text);
  };
  auto client = QmpClient::connect(address, options.limits, warn);
  if (!client) return client.error();
  auto state = std::make_unique<MonitoredCapture>(address, options, observer, std::move(*client));
  if (auto looked = state->borrowed.look(); !looked) return looked.error();
  if (options.output) {
    auto apart = require_no_medium(state->qmp(), *options.output);
    if (!apart) return apart.error();
  }
  return GuestCapture(std::move(state));
}

Result<CaptureSummary> GuestCapture::rehearse() {
  return state_->rehearse();
}

Result<CaptureSummary> GuestCapture::capture(ByteSink& sink) {
  return state_->capture(sink);
}

Result<CaptureSummary> GuestCapture::capture_mapped(OutputFile& file) {
  return state_->capture_mapped(file);
}

Status GuestCapture::complete() {
  return state_->complete();
}

const std::optional<Error>& GuestCapture::recovery_error() const {
  return state_->recovery_error();
}

void GuestCapture::abandon() {
  state_->abandon();
}

GuestFate GuestCapture::fate() const {
  return state_->fate();
}

std::string_view name_of(GuestFate fate) {
  switch (fate) {
    case GuestFate::Untouched:
      return "untouched";
    case GuestFate::Running:
      return "running";
    case GuestFate::Stopped:
      return "stopped";
    case GuestFate::Unknown:
      return "unknown";
  }
  return "unknown";
}

Result<CaptureSummary> capture_stream(ByteSource& source, ByteSink& sink,
                                      const CaptureOptions& options, CaptureObserver* observer) {
  CaptureRecorder recorder(CaptureMode::Stop, options, observer);
  if (auto moved = pump(source, sink, &recorder.tap()); !moved) return moved.error();
  if (auto whole = recorder.finish(); !whole) return whole.error();
  recorder.give_index({.mode = "stream"});
  if (auto finished = sink.finish(); !finished) return finished.error();
  return recorder.summary();
}

}  // namespace vmstream
