// SPDX-License-Identifier: MIT
// The one place that waits for descriptors.
#pragma once

#include <cstddef>
#include <span>

#include <poll.h>

#include <vmstream/cancellation.h>

namespace vmstream {

/// How many descriptors wait_ready() takes. gpg has no more to be served.
constexpr size_t kMostWaitedFor = 15;

/// Waits until one of `descriptors` is ready, filling in `revents`. Fails with Errc::Interrupted or
/// Errc::TimedOut when a limit strikes first; `what` names the thing waited for in that message.
Status wait_ready(std::span<pollfd> descriptors, const WaitLimits& limits, const char* what);

/// The same for a single descriptor.
Status wait_ready(int fd, short events, const WaitLimits& limits, const char* what);

/// Waits up to `interval` for a limit to strike; ok() when none did.
Status pause_within(Clock::duration interval, const WaitLimits& limits, const char* what);

/// Whether `limits` already forbids to go on.
Status check_limits(const WaitLimits& limits, const char* what);

}  // namespace vmstream
