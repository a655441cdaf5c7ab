// SPDX-License-Identifier: MIT
#include "guest/monitor/monitored_io.h"

#include <poll.h>

#include <algorithm>
#include <array>

#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kSilence = std::chrono::milliseconds(150);

}  // namespace

// Whether there was an event. They must not pile up, listened to or not; a closed monitor comes out
// as the error.
Result<bool> MonitorWatch::hear() {
  heard_ = true;
  for (bool any = false;; any = true) {
    auto event = qmp_.take_event();
    if (!event) return event.error();
    if (!*event) return any;
    if (!listener_) continue;
    if (auto told = listener_->on_event(**event); !told) return told.error();
  }
}

// Whether the descriptor is ready. poll() leaves out a negative one.
Result<bool> MonitorWatch::wait_once(int fd, short events) {
  if (!heard_) {
    auto heard = hear();
    if (!heard) return heard.error();
    if (*heard) return false;  // it may be what the caller waits for
  }
  if (listener_) {
    if (auto turned = listener_->on_turn(); !turned) return turned.error();
  }
  std::array<pollfd, 2> waiting{pollfd{fd, events, 0}, pollfd{qmp_.descriptor(), POLLIN, 0}};
  auto deadline = Clock::now() + kSilence;
  WaitLimits interval{limits_.cancellation,
                      std::min(limits_.deadline.value_or(deadline), deadline)};
  auto ready = wait_ready(waiting, interval, "QEMU's stream");
  if (!ready) {
    if (auto within = check_limits(limits_, "QEMU's stream"); !within) return within.error();
    if (ready.error().code != Errc::TimedOut) return ready.error();
    on_silence_();
    return false;
  }
  if (waiting[1].revents != 0) {
    if (auto heard = hear(); !heard) return heard.error();
  }
  return waiting[0].revents != 0;
}

Status MonitorWatch::await(int fd, short events) {
  for (;;) {
    auto ready = wait_once(fd, events);
    if (!ready) return ready.error();
    if (*ready) return ok();
  }
}

Status MonitorWatch::listen() {
  heard_ = false;  // since the last time commands may have been answered
  auto listened = wait_once(-1, 0);
  return listened ? ok() : Status(listened.error());
}

Result<size_t> MonitoredSource::read(std::span<std::byte> into) {
  if (pace_) {
    into = into.first(std::min(into.size(), pace_->slice()));
    auto waited = pause_within(pace_->delay(), watch_.limits(), "the stream's pace");
    if (!waited) return waited.error();
  }
  for (;;) {
    if (auto ready = watch_.await(fd_, POLLIN); !ready) return ready.error();
    auto count = read_ready(fd_, into);
    if (!count) return count.error();
    if (!*count) continue;
    if (pace_) pace_->took(**count);
    return **count;
  }
}

Status MonitoredSink::write(std::span<const std::byte> bytes) {
  if (auto within = check_limits(watch_.limits(), "QEMU"); !within) return within;
  for (;;) {
    auto count = writer_.write_some(bytes);
    if (!count) return count.error();
    bytes = bytes.subspan(*count);
    if (bytes.empty()) return ok();
    if (auto ready = watch_.await(writer_.descriptor(), POLLOUT); !ready) return ready;
  }
}

}  // namespace vmstream
