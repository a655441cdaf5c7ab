// SPDX-License-Identifier: MIT
#include "guest/libvirt/dump_source.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <vector>

#include "io/fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr const char* kDump = "libvirt's dump";
constexpr auto kSilence = std::chrono::milliseconds(150);
constexpr size_t kDryReadBytes = 1 << 20;
constexpr auto kFirstBytePatience = std::chrono::seconds(3);
constexpr std::byte kFirstOfStream{'Q'};  // of QEVM

DumpEnd dump(RunningDomain& domain, const std::string& path, bool live) {
  auto status = domain.dump(path, live);
  return {std::move(status), Clock::now()};
}

}  // namespace

Result<std::unique_ptr<DumpSource>> DumpSource::begin(std::shared_ptr<RunningDomain> domain,
                                                      DumpSourceOptions options) {
  auto fifo = DumpFifo::create();
  if (!fifo) return fifo.error();
  auto call = ApartCall<DumpEnd>::begin(
      [domain, path = fifo->path(), live = options.live] { return dump(*domain, path, live); });
  if (!call) return call.error();
  return std::unique_ptr<DumpSource>(
      new DumpSource(std::move(domain), std::move(*fifo), std::move(*call), std::move(options)));
}

Status DumpSource::keep_pace(std::span<std::byte>& into) const {
  if (!options_.pace) return ok();
  into = into.first(std::min(into.size(), options_.pace->slice()));
  return pause_within(options_.pace->delay(), options_.limits, "the dump's pace");
}

// What libvirt has written before it ended is in the FIFO still.
void DumpSource::note_end() {
  if (end_ || !call_.has_returned()) return;
  end_.emplace(call_.take());
  fifo_.close_door();
}

// Whether there is something to read, or the end.
Result<bool> DumpSource::wait_once() {
  if (!end_) watch_.turn();
  if (!end_ && is_to_fail_) insist();
  std::array<pollfd, 2> waiting{pollfd{fifo_.descriptor(), POLLIN, 0},
                                pollfd{end_ ? -1 : call_.descriptor(), POLLIN, 0}};
  auto deadline = Clock::now() + DomainWatch::kInterval;
  WaitLimits interval{options_.limits.cancellation,
                      std::min(options_.limits.deadline.value_or(deadline), deadline)};
  auto ready = wait_ready(waiting, interval, kDump);
  if (auto within = check_limits(options_.limits, kDump); !within) return within.error();
  if (!ready && ready.error().code != Errc::TimedOut) return ready.error();
  note_end();
  if (ready && waiting[0].revents != 0) return true;
  if (options_.on_silence && Clock::now() >= next_report_) {
    next_report_ = Clock::now() + kSilence;
    options_.on_silence();
  }
  return false;
}

Result<size_t> DumpSource::read(std::span<std::byte> into) {
  if (auto paced = keep_pace(into); !paced) return paced.error();
  for (;;) {
    auto ready = wait_once();
    if (!ready) return ready.error();
    if (end_ && !end_->status) return end_->status.error();
    if (!*ready) continue;
    auto count = read_ready(fifo_.descriptor(), into);
    if (!count) return count.error();
    if (!*count) continue;
    if (!first_ && **count > 0) first_ = into[0];
    if (options_.pace) options_.pace->took(**count);
    return **count;
  }
}

// Whether libvirt packs what it writes, by its first byte. One that has not come in time never
// does.
bool DumpSource::is_packed(const WaitLimits& limits) {
  auto patience = Clock::now() + kFirstBytePatience;
  options_ = {.limits = {.deadline = std::min(limits.deadline.value_or(patience), patience)}};
  std::byte one;
  while (!first_ && !end_) {
    if (auto count = read(std::span(&one, 1)); !count) return false;
  }
  return first_ && *first_ != kFirstOfStream;
}

// libvirt refuses to abort a job that it has not begun: it is asked again.
void DumpSource::insist() {
  if (abort_ && abort_->has_returned()) {
    is_to_fail_ = !abort_->take();
    abort_.reset();
  }
  if (abort_ || !is_to_fail_ || Clock::now() < next_abort_) return;
  next_abort_ = Clock::now() + kSilence;
  auto abort = ApartCall<Status>::begin([domain = domain_] { return domain->abort_job(); });
  if (abort) abort_.emplace(std::move(*abort));
}

Status DumpSource::run_dry() {
  is_to_fail_ = true;
  std::vector<std::byte> nowhere(kDryReadBytes);
  while (!end_) {
    if (auto count = read(nowhere); !count && !end_) {
      fifo_.leave();
      return count.error();
    }
  }
  return ok();
}

Status DumpSource::hang_up() {
  fifo_.hang_up();
  auto ended = wait_ready(call_.descriptor(), POLLIN, options_.limits, kDump);
  note_end();
  return ended;
}

// The daemon of libvirt 9.0 crashes if a dump that it packs is aborted. One that nobody reads fails
// well; a plain one might find its reader gone after QEMU's end, and leave the domain paused.
Status DumpSource::cancel(const WaitLimits& limits) {
  note_end();
  bool packed = !end_ && is_packed(limits);
  if (end_) return ok();
  options_ = {.limits = limits};
  if (packed) return hang_up();
  return run_dry();
}

}  // namespace vmstream
