// SPDX-License-Identifier: MIT
// Saving a guest, and giving it back as it was found whatever happens.
#include <vmstream/capture.h>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>

#include <chrono>

#include <vmstream/index_builder.h>
#include <vmstream/version.h>
#include "base/json.h"
#include "guest/guest_state.h"
#include "guest/migration_link.h"
#include "guest/monitored_io.h"
#include "guest/stream_tap.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// What is done after a failure has time of its own: the limits may be what has failed.
constexpr auto kCancelPatience = std::chrono::milliseconds(500);
constexpr auto kRecoveryPatience = std::chrono::seconds(5);
constexpr auto kQuitPatience = std::chrono::seconds(10);

WaitLimits fresh_limits(Clock::duration patience) {
  return {.deadline = Clock::now() + patience};
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

DigestMode digest_mode(const CaptureOptions& options) {
  if (!options.digest) return DigestMode::None;
  return options.threads == 1 ? DigestMode::Inline : DigestMode::Beside;
}

StreamTap::OnProgress progress_to(CaptureObserver* observer) {
  if (!observer) return {};
  return [observer](const StreamCounts& counts) { observer->on_progress(counts); };
}

CaptureSummary summarize(const StreamTap& tap, Clock::time_point start) {
  CaptureSummary summary;
  summary.counts = tap.counts();
  summary.machine = tap.machine();
  summary.sha256 = tap.sha256();
  summary.total_seconds = seconds_since(start);
  summary.passes = {{summary.counts.pages, summary.counts.stream_bytes, summary.total_seconds, 0}};
  return summary;
}

std::string current_time() {
  auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

// The stream as it passes, with its index where one is asked for.
class IndexedTap {
 public:
  IndexedTap(const CaptureOptions& options, CaptureObserver* observer)
      : give_index_(options.index),
        time_(current_time()),
        tap_(digest_mode(options), progress_to(observer), options.index ? &builder_ : nullptr) {}

  StreamTap& tap() { return tap_; }
  CaptureSummary summary() const { return summarize(tap_, start_); }

  const std::string& time() const { return time_; }

  /// The stream has been found whole, and the sink is about to be finished. Of a stream that came
  /// by itself nobody knows when it was captured; its index is the same each time.
  void give_index(CaptureCircumstances how) {
    if (!give_index_) return;
    StateIndex index =
        builder_.finish(tap_.counts().stream_bytes, tap_.parser().stream_length(), true);
    how.vmstream_version = version();
    index.facts.sha256 = tap_.sha256();
    for (const CapturePass& pass : summary().passes) {
      index.facts.passes.push_back({pass.pages, pass.bytes, how.time.empty() ? 0 : pass.seconds});
    }
    index.facts.capture = std::move(how);
    give_index_(std::move(index));
  }

 private:
  std::function<void(StateIndex)> give_index_;
  Clock::time_point start_ = Clock::now();
  std::string time_;
  IndexBuilder builder_;
  StreamTap tap_;
};

Error another_migration(const MigrationStatus& status) {
  return Error{
      .code = Errc::Environment,
      .message = "another migration of this guest is under way (status '" + status.name + "')",
      .hint = "wait for its end, or end it with migrate_cancel"};
}

}  // namespace

struct GuestCapture::State {
  State(QmpAddress where, CaptureOptions how, CaptureObserver* who, QmpClient client)
      : address(std::move(where)), options(how), observer(who), qmp(std::move(client)) {}

  Status look();
  Status begin();
  Status start_migration();
  Status transfer(ByteSink& sink, StreamTap& tap);
  Status migrate(IndexedTap& tap, ByteSink& sink);
  Status expect_completed();
  Status settle_guest();
  Result<CaptureSummary> capture(ByteSink& sink);
  Status quit();
  void abandon();
  Status give_back();
  void cancel();
  Status revive();

  QmpAddress address;
  CaptureOptions options;
  CaptureObserver* observer;
  std::optional<QmpClient> qmp;
  std::optional<GuestState> guest = std::nullopt;
  std::optional<MigrationLink> link = std::nullopt;
  Clock::time_point stopped_at = {};
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
  return ok();
}

// Everything up to the first byte of the stream.
Status GuestCapture::State::begin() {
  touched = true;
  if (auto done = guest->switch_off_capabilities(*qmp); !done) return done;
  uint64_t bandwidth = options.max_bandwidth.value_or(kUnlimitedBandwidth);
  if (auto done = guest->set_bandwidth(*qmp, bandwidth); !done) return done;
  auto opened = MigrationLink::open(*qmp, MigrationLink::Direction::FromQemu);
  if (!opened) return opened.error();
  link.emplace(std::move(*opened));
  if (auto done = guest->stop(*qmp); !done) return done;
  stopped_at = Clock::now();
  if (auto begun = start_migration(); !begun) return begun;
  return link->await_peer(*qmp, options.limits);
}

Status GuestCapture::State::start_migration() {
  auto begun = qmp->execute("migrate", to_text({{"uri", link->uri()}}));
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

Status GuestCapture::State::transfer(ByteSink& sink, StreamTap& tap) {
  MonitorWatch watch(*qmp, options.limits, [&tap] { tap.report(); });
  MonitoredSource source(link->descriptor(), watch);
  if (auto moved = pump(source, sink, &tap); !moved) return moved.error();
  return expect_completed();
}

Status GuestCapture::State::expect_completed() {
  auto status = await_migration_end(*qmp, options.limits);
  if (!status) return status.error();
  migrating = false;
  if (status->name == "completed") return ok();
  return Error{Errc::Environment,
               fmt::format("QEMU did not finish the stream: status '{}'{}{}", status->name,
                           status->error.empty() ? "" : ": ", status->error)};
}

// QEMU has sent everything: what was borrowed of it goes back, before the output is finished.
Status GuestCapture::State::settle_guest() {
  link->close();
  if (options.after == After::Keep) {
    if (auto resumed = guest->resume(*qmp); !resumed) return resumed;
  }
  if (guest->was_running()) pause_seconds = seconds_since(stopped_at);
  return guest->put_back_settings(*qmp);
}

Status GuestCapture::State::migrate(IndexedTap& tap, ByteSink& sink) {
  if (auto begun = begin(); !begun) return begun;
  if (auto moved = transfer(sink, tap.tap()); !moved) return moved;
  if (auto whole = tap.tap().finish(); !whole) return whole;
  if (auto settled = settle_guest(); !settled) return settled;
  tap.give_index({.mode = "stop",
                  .time = tap.time(),
                  .qemu_version = qmp->qemu_version(),
                  .run_state = guest->found_name()});
  return sink.finish();
}

Result<CaptureSummary> GuestCapture::State::capture(ByteSink& sink) {
  IndexedTap tap(options, observer);
  if (auto done = migrate(tap, sink); !done) {
    abandon();
    return done.error();
  }
  saved = true;
  CaptureSummary summary = tap.summary();
  summary.qemu_version = qmp->qemu_version();
  summary.pause_seconds = pause_seconds;
  return summary;
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
  auto given_back = give_back();
  if (given_back) return;
  recovery_error = given_back.error();
  recovery_error->message =
      "the guest could not be put back as it was found: " + recovery_error->message;
  recovery_error->hint =
      guest->was_running()
          ? "if QEMU still runs: type migrate_cancel, then cont, into its human monitor"
          : "if QEMU still runs: type migrate_cancel into its human monitor";
}

// An answer that takes long here would be one that QEMU gives only after our end is closed: while
// it blocks in a write it may hold the lock that its monitor needs.
void GuestCapture::State::cancel() {
  qmp->set_limits(fresh_limits(kCancelPatience));
  [[maybe_unused]] auto cancelled = qmp->execute("migrate_cancel");
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
  if (migrating) cancel();
  if (link) link->close();
  if (auto alive = revive(); !alive) return alive;
  WaitLimits patience = fresh_limits(kRecoveryPatience);
  qmp->set_limits(patience);
  if (migrating) {
    auto over = await_migration_end(*qmp, patience);
    if (!over) return over.error();
    migrating = false;
  }
  MigrationLink::forget(*qmp);
  link.reset();
  if (auto resumed = guest->resume(*qmp); !resumed) return resumed;
  return guest->put_back_settings(*qmp);
}

GuestCapture::GuestCapture(std::unique_ptr<State> state) : state_(std::move(state)) {}
GuestCapture::GuestCapture(GuestCapture&&) noexcept = default;
GuestCapture::~GuestCapture() {
  if (state_) state_->abandon();
}

Result<GuestCapture> GuestCapture::open(const QmpAddress& address, CaptureOptions options,
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

Status GuestCapture::complete() {
  if (!state_->saved) return Error{Errc::Usage, "complete() without a capture that succeeded"};
  state_->touched = false;
  return state_->options.after == After::Quit ? state_->quit() : ok();
}

const std::optional<Error>& GuestCapture::recovery_error() const {
  return state_->recovery_error;
}

void GuestCapture::abandon() {
  state_->abandon();
}

Result<CaptureSummary> capture_stream(ByteSource& source, ByteSink& sink, CaptureOptions options,
                                      CaptureObserver* observer) {
  IndexedTap tap(options, observer);
  if (auto moved = pump(source, sink, &tap.tap()); !moved) return moved.error();
  if (auto whole = tap.tap().finish(); !whole) return whole.error();
  tap.give_index({.mode = "stream"});
  if (auto finished = sink.finish(); !finished) return finished.error();
  return tap.summary();
}

}  // namespace vmstream
