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

// Events must not pile up, listened to or not; a closed monitor comes out as the error.
Status MonitorWatch::hear() {
  heard_ = true;
  for (;;) {
    auto event = qmp_.take_event();
    if (!event) return event.error();
    if (!*event) return ok();
    if (!listener_) continue;
    if (auto told = listener_->on_event(**event); !told) return told;
  }
}

Status MonitorWatch::await(int fd, short events) {
  for (;;) {
    if (!heard_) {
      if (auto heard = hear(); !heard) return heard;
    }
    if (listener_) {
      if (auto turned = listener_->on_turn(); !turned) return turned;
    }
    std::array<pollfd, 2> waiting{pollfd{fd, events, 0}, pollfd{qmp_.descriptor(), POLLIN, 0}};
    auto deadline = Clock::now() + kSilence;
    WaitLimits interval{limits_.cancellation,
                        std::min(limits_.deadline.value_or(deadline), deadline)};
    auto ready = wait_ready(waiting, interval, "QEMU's stream");
    if (!ready) {
      if (auto within = check_limits(limits_, "QEMU's stream"); !within) return within;
      if (ready.error().code != Errc::TimedOut) return ready;
      on_silence_();
      continue;
    }
    if (waiting[1].revents != 0) {
      if (auto heard = hear(); !heard) return heard;
    }
    if (waiting[0].revents != 0) return ok();
  }
}

Result<size_t> MonitoredSource::read(std::span<std::byte> into) {
  if (pace_) {
    into = into.first(std::min(into.size(), pace_->slice()));
    auto waited = pause_within(pace_->delay(), watch_.limits(), "the stream's pace");
    if (!waited) return waited.error();
  }
  if (auto ready = watch_.await(fd_, POLLIN); !ready) return ready.error();
  auto count = read_some(fd_, into, watch_.limits());
  if (count && pace_) pace_->took(*count);
  return count;
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
