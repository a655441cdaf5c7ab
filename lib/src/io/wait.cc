// SPDX-License-Identifier: MIT
#include "io/wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace vmstream {
namespace {

Error interrupted() {
  return Error{Errc::Interrupted, "interrupted"};
}
Error timed_out(const char* what) {
  return Error{Errc::TimedOut, fmt::format("timed out while waiting for {}", what)};
}

constexpr auto kMeanwhile = std::chrono::milliseconds(200);

// Milliseconds for poll(), rounded up so that a wait does not spin just before its deadline.
int poll_timeout(Clock::duration left) {
  auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<int64_t>(milliseconds, 0, 1'000'000));
}

// -1: for as long as it takes.
int poll_timeout(const WaitLimits& limits) {
  if (!limits.deadline) return limits.meanwhile ? poll_timeout(kMeanwhile) : -1;
  auto left = *limits.deadline - Clock::now();
  return poll_timeout(limits.meanwhile ? std::min<Clock::duration>(left, kMeanwhile) : left);
}

}  // namespace

Status check_limits(const WaitLimits& limits, const char* what) {
  if (limits.cancellation && limits.cancellation->requested()) return interrupted();
  if (limits.deadline && Clock::now() >= *limits.deadline) return timed_out(what);
  return ok();
}

Status wait_ready(std::span<pollfd> descriptors, const WaitLimits& limits, const char* what) {
  std::array<pollfd, kMostWaitedFor + 1> waiting;
  if (descriptors.size() > kMostWaitedFor) {
    return Error{Errc::Unsupported, fmt::format("{} descriptors to wait for", descriptors.size())};
  }
  std::ranges::copy(descriptors, waiting.begin());
  pollfd& cancelled = waiting[descriptors.size()];
  cancelled = {limits.cancellation ? limits.cancellation->descriptor() : -1, POLLIN, 0};
  for (;;) {
    int ready = ::poll(waiting.data(), descriptors.size() + 1, poll_timeout(limits));
    if (ready < 0 && errno != EINTR) return system_error("poll", errno);
    if (ready > 0 && cancelled.revents != 0) return interrupted();
    if (limits.deadline && Clock::now() >= *limits.deadline) return timed_out(what);
    if (ready > 0) {
      std::copy_n(waiting.begin(), descriptors.size(), descriptors.begin());
      return ok();
    }
    if (limits.meanwhile) (*limits.meanwhile)();
  }
}

Status wait_ready(int fd, short events, const WaitLimits& limits, const char* what) {
  pollfd one{fd, events, 0};
  return wait_ready(std::span(&one, 1), limits, what);
}

Status pause_within(Clock::duration interval, const WaitLimits& limits, const char* what) {
  auto until = Clock::now() + interval;
  pollfd cancelled{limits.cancellation ? limits.cancellation->descriptor() : -1, POLLIN, 0};
  while (Clock::now() < until) {
    if (auto within = check_limits(limits, what); !within) return within;
    auto left = until - Clock::now();
    if (limits.deadline) left = std::min(left, *limits.deadline - Clock::now());
    ::poll(&cancelled, 1, poll_timeout(left));
  }
  return check_limits(limits, what);
}

}  // namespace vmstream
