// SPDX-License-Identifier: MIT
// Saving a domain through libvirt's own dump.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <vmstream/capture.h>
#include <vmstream/state_file.h>
#include <vmstream/text.h>
#include "guest/capture/capture_mode.h"
#include "guest/capture/capture_recorder.h"
#include "guest/capture/capture_state.h"
#include "guest/libvirt/borrowed_domain.h"
#include "guest/libvirt/domain_watch.h"
#include "guest/libvirt/domain_xml.h"
#include "guest/libvirt/dump_options.h"
#include "guest/libvirt/dump_source.h"
#include "io/same_file.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kCancelPatience = std::chrono::seconds(10);
constexpr auto kRecoveryPatience = std::chrono::seconds(15);
constexpr auto kSuspendPatience = std::chrono::seconds(10);
constexpr auto kQuitPatience = std::chrono::seconds(20);

WaitLimits fresh(Clock::duration patience) {
  return {.deadline = Clock::now() + patience};
}

// What to do about libvirt's refusal of a dump.
std::string hint_for(const std::string& words, const std::string& domain) {
  auto says = [&words](std::string_view what) { return words.find(what) != std::string::npos; };
  if (says("paused due to previous migration")) {
    return fmt::format(
        "it was saved before while it stood still: it has to run once, by virsh "
        "resume {}, before it is saved again",
        escape(domain));
  }
  if (says("state change lock") || says("migration process in progress")) {
    return "something else is under way with it: virsh domjobinfo";
  }
  if (says("Failed to create file") || says("Failed to open file")) {
    return "libvirt's daemon must see " P_tmpdir " as this process does";
  }
  return {};
}

// Gives on what a source that lives elsewhere gives.
class LentSource final : public ByteSource {
 public:
  explicit LentSource(ByteSource& source) : source_(source) {}
  Result<size_t> read(std::span<std::byte> into) override { return source_.read(into); }

 private:
  ByteSource& source_;
};

class DomainCapture final : public GuestCapture::State {
 public:
  DomainCapture(BorrowedDomain borrowed, CaptureOptions options, CaptureObserver* observer)
      : borrowed_(std::move(borrowed)),
        options_(std::move(options)),
        observer_(observer),
        pause_(borrowed_.found().running, [this](bool still) { tell_pause(still); }) {}
  ~DomainCapture() override { abandon(); }

  Status look();

  Result<CaptureSummary> rehearse() override;
  Result<CaptureSummary> capture(ByteSink& sink) override;
  Result<CaptureSummary> capture_mapped(OutputFile&) override {
    return Error{Errc::Unsupported, "libvirt's dump has no places for pages"};
  }
  Status complete() override;
  void abandon() override;
  GuestFate fate() const override;
  const std::optional<Error>& recovery_error() const override { return failure_; }

 private:
  bool was_running() const { return borrowed_.found().running; }
  void warn(const std::string& text) const {
    if (observer_) observer_->on_warning(text);
  }
  void tell_pause(bool stands_still) const {
    if (observer_) observer_->on_pause(stands_still);
  }
  void choose_mode();
  void warn_of_disks();
  void note(const DomainLook& look);
  void on_look(const DomainLook& look);
  Status begin(ProgressTap& tap);
  Status transfer(ByteSink& sink, CaptureRecorder& recorder);
  Status expect_same(const CaptureRecorder& recorder) const;
  Status settle();
  Status save(ByteSink& sink, CaptureRecorder& recorder);
  Error explained(Error error) const;
  CaptureSummary summarize(CaptureSummary summary) const;

  BorrowedDomain borrowed_;
  CaptureOptions options_;
  CaptureObserver* observer_;
  PauseMeter pause_;
  CaptureMode mode_ = CaptureMode::Stop;
  std::string mode_reason_;
  std::string description_;
  std::vector<std::string> disks_not_saved_;
  std::unique_ptr<DumpSource> dump_;
  double pause_seconds_ = 0;
  bool touched_ = false;      // something of the domain is owed
  bool was_touched_ = false;  // ever
  bool saved_ = false;
  bool completing_ = false;
  std::optional<Error> failure_;
};

// All that can be known before the domain is touched.
Status DomainCapture::look() {
  auto xml = borrowed_.description(options_.with_secrets, options_.limits);
  if (!xml) return xml.error();
  description_ = std::move(*xml);
  choose_mode();
  if (!options_.output) return ok();
  auto disks = borrowed_.disks(options_.limits);
  if (!disks) return disks.error();
  for (const std::string& disk : *disks) {
    if (!is_same_file(disk, *options_.output)) continue;
    return Error{Errc::Refused,
                 fmt::format("the guest has the output open as its disk: {}", escape(disk))};
  }
  return ok();
}

void DomainCapture::choose_mode() {
  std::string danger;
  if (is_emulated(description_)) danger = danger_of_emulated_save(borrowed_.qemu_version());
  mode_ = options_.mode;
  if (mode_ == CaptureMode::Auto) {
    bool keeps = options_.after == After::Keep;
    mode_ = keeps && danger.empty() ? CaptureMode::Live : CaptureMode::Stop;
    mode_reason_ = "libvirt has no background save";
    if (!keeps) {
      mode_reason_ += ", and runs a guest again that it has saved live";
    } else if (!danger.empty()) {
      mode_reason_ += ", and a live one of an emulated guest can lose pages";
    }
  }
  if (mode_ == CaptureMode::Live && !was_running()) {
    mode_ = CaptureMode::Stop;
    mode_reason_ = "the guest was found stopped";
  } else if (mode_ == CaptureMode::Live && !danger.empty()) {
    warn(danger);
  }
}

void DomainCapture::warn_of_disks() {
  if (options_.after != After::Keep || !was_running()) return;
  disks_not_saved_ = writable_disks(description_);
  if (disks_not_saved_.empty()) return;
  warn(
      fmt::format("the guest goes on writing to disks that are not saved ({}): --after pause keeps "
                  "them as they are now",
                  escape(fmt::format("{}", fmt::join(disks_not_saved_, ", ")))));
}

// A look that libvirt kept waiting until the dump was over saw the guest run after its pause, not
// before.
void DomainCapture::note(const DomainLook& look) {
  bool was_kept = look.answered - look.begun > DomainWatch::kInterval;
  if (!look.state.running || !was_kept) pause_.note(look.state.running, look.begun);
}

void DomainCapture::on_look(const DomainLook& look) {
  note(look);
  if (!observer_ || mode_ != CaptureMode::Live || look.job.page_bytes == 0) return;
  auto page = static_cast<double>(look.job.page_bytes);
  auto dirtied = static_cast<double>(look.job.dirty_pages_per_second);
  double sent = static_cast<double>(look.job.bytes_per_second) / page;
  observer_->on_live({.pass = std::max<uint64_t>(look.job.iteration, 1),
                      .pages_left = look.job.bytes_left / look.job.page_bytes,
                      .bytes_left = look.job.bytes_left,
                      .page_bytes = look.job.page_bytes,
                      .dirty_pages_per_second = dirtied,
                      .sent_pages_per_second = sent,
                      .converges = sent == 0 || sent > dirtied});
}

// A guest that is not to go on must not do so between its last page and the end of the save: then
// libvirt finds it paused, and leaves it so.
Status DomainCapture::begin(ProgressTap& tap) {
  touched_ = was_touched_ = true;
  if (was_running()) pause_.note(true, Clock::now());
  if (options_.after != After::Keep && was_running()) {
    // Not to be given up half-way: it would come after what puts the guest back.
    if (auto paused = borrowed_.suspend(fresh(kSuspendPatience)); !paused) return paused;
    pause_.note(false, Clock::now());
  }
  std::optional<Pace> pace;
  if (options_.max_bandwidth) pace.emplace(*options_.max_bandwidth);
  auto dump = DumpSource::begin(borrowed_.domain(),
                                {.live = mode_ == CaptureMode::Live,
                                 .pace = pace,
                                 .on_look = [this](const DomainLook& look) { on_look(look); },
                                 .on_silence = [&tap] { tap.report(); },
                                 .limits = options_.limits});
  if (!dump) return dump.error();
  dump_ = std::move(*dump);
  if (mode_ == CaptureMode::Stop) pause_.note(false, Clock::now());
  return ok();
}

// qemu.conf may have libvirt pack its dumps.
Status DomainCapture::transfer(ByteSink& sink, CaptureRecorder& recorder) {
  if (auto begun = begin(recorder.tap()); !begun) return begun;
  auto file = StateFile::open(
      OpenedInput{{}, std::make_unique<LentSource>(*dump_)},
      {.decode = {.threads = static_cast<unsigned>(options_.threads), .limits = options_.limits},
       .decrypt = false});
  auto plain = file.stream();
  if (!plain) return plain.error();
  if (file.containers().size() > 1) {
    warn(
        fmt::format("libvirt packs its dumps by {}, on one core: dump_image_format = \"raw\" in "
                    "its qemu.conf is faster",
                    file.containers().front().type));
  }
  if (auto moved = pump(**plain, sink, &recorder.tap()); !moved) return moved.error();
  if (dump_->end()) return ok();
  return Error{Errc::Environment, "libvirt's dump goes on behind the end of what it packed"};
}

// What QEMU has counted, as libvirt remembers it.
Status DomainCapture::expect_same(const CaptureRecorder& recorder) const {
  auto job = borrowed_.finished_job(options_.limits);
  if (auto within = check_limits(options_.limits, "libvirt"); !within) return within;
  if (!job) return ok();  // a libvirt that remembers nothing
  RamProgress sent;
  sent.normal_pages = job->normal_pages;
  sent.duplicate_pages = job->constant_pages;
  return recorder.compare(sent);
}

Status DomainCapture::settle() {
  auto now = Clock::now();
  if (options_.after == After::Keep) {
    if (auto back = borrowed_.put_back(options_.limits); !back) return back;
    now = dump_->end()->time;
    pause_.note(false, now);  // each dump ends with a pause, which nobody may have seen
    pause_.note(was_running(), now);
  }
  pause_seconds_ = pause_.seconds(now);
  if (was_running() && options_.after != After::Pause) return ok();
  if (options_.after == After::Quit) return ok();
  warn(
      fmt::format("it stands still, and QEMU wants it to run once before it is saved again: virsh "
                  "resume {}",
                  escape(borrowed_.name())));
  return ok();
}

Status DomainCapture::save(ByteSink& sink, CaptureRecorder& recorder) {
  if (auto idle = borrowed_.check_idle(options_.limits); !idle) return idle;
  warn_of_disks();
  if (auto moved = transfer(sink, recorder); !moved) return explained(moved.error());
  if (auto whole = recorder.finish(); !whole) return whole;
  if (auto same = expect_same(recorder); !same) return same;
  if (auto settled = settle(); !settled) return settled;
  recorder.give_index({.mode = std::string(name_of(mode_)),
                       .time = recorder.time(),
                       .qemu_version = borrowed_.qemu_version(),
                       .run_state = borrowed_.found().words},
                      description_);
  return sink.finish();
}

// A decoder that its input has failed may have noticed first; libvirt knows why.
Error DomainCapture::explained(Error error) const {
  if (error.code == Errc::Interrupted || error.code == Errc::TimedOut) return error;
  if (dump_ && dump_->end() && !dump_->end()->status) error = dump_->end()->status.error();
  if (error.hint.empty()) error.hint = hint_for(error.message, borrowed_.name());
  return error;
}

Result<CaptureSummary> DomainCapture::rehearse() {
  if (auto idle = borrowed_.check_idle(options_.limits); !idle) return idle.error();
  if (auto fifo = DumpFifo::create(); !fifo) return fifo.error();
  warn_of_disks();
  return summarize({});
}

Result<CaptureSummary> DomainCapture::capture(ByteSink& sink) {
  CaptureRecorder recorder(mode_, options_, observer_);
  if (auto saved = save(sink, recorder); !saved) {
    abandon();
    return saved.error();
  }
  saved_ = true;
  return summarize(recorder.summary());
}

CaptureSummary DomainCapture::summarize(CaptureSummary summary) const {
  summary.mode = mode_;
  summary.mode_reason = mode_reason_;
  summary.qemu_version = borrowed_.qemu_version();
  summary.pause_seconds = pause_seconds_;
  summary.disks_not_saved = disks_not_saved_;
  if (mode_ == CaptureMode::Live) summary.ended_by = EndedBy::Downtime;
  return summary;
}

Status DomainCapture::complete() {
  if (!saved_) return Error{Errc::Usage, "complete() without a capture that succeeded"};
  touched_ = false;
  completing_ = true;
  return options_.after == After::Quit ? borrowed_.destroy(fresh(kQuitPatience)) : ok();
}

void DomainCapture::abandon() {
  if (!std::exchange(touched_, false)) return;
  if (dump_) {
    [[maybe_unused]] auto ended = dump_->cancel(fresh(kCancelPatience));  // or somebody reads on
  }
  auto back = borrowed_.put_back(fresh(kRecoveryPatience));
  dump_.reset();
  if (back) return;
  Error error = back.error();
  error.message = "the guest could not be put back as it was found: " + error.message;
  error.hint = fmt::format("once libvirt answers: virsh domstate {0}; virsh resume {0}",
                           escape(borrowed_.name()));
  failure_ = std::move(error);
}

GuestFate DomainCapture::fate() const {
  if (failure_ || completing_) return GuestFate::Unknown;
  if (!was_touched_) return GuestFate::Untouched;
  return was_running() ? GuestFate::Running : GuestFate::Stopped;
}

}  // namespace

Result<GuestCapture> GuestCapture::open(const DomainAddress& address, const CaptureOptions& options,
                                        CaptureObserver* observer) {
  if (auto possible = check_dump_options(options); !possible) return possible.error();
  LongWait wait(options.limits, [observer] {
    if (observer) observer->on_warning("libvirt does not answer yet; it is waited for");
  });
  auto borrowed = BorrowedDomain::open(address, wait.limits());
  if (!borrowed) return borrowed.error();
  auto capture = std::make_unique<DomainCapture>(std::move(*borrowed), options, observer);
  if (auto looked = capture->look(); !looked) return looked.error();
  return GuestCapture(std::move(capture));
}

}  // namespace vmstream
