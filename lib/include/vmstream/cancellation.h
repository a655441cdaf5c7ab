// SPDX-License-Identifier: MIT
// How a waiting call is told to give up: a flag that poll() can see, and a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include <vmstream/result.h>

namespace vmstream {

/// A request to stop, raised once, seen by every call that waits on it.
///
/// request() may be called from a signal handler or any thread. The object must outlive every
/// source, sink and client that was given a pointer to it.
class Cancellation {
 public:
  /// Fails where the system gives no descriptor.
  static Result<Cancellation> create();
  Cancellation(Cancellation&& other) noexcept;
  Cancellation& operator=(Cancellation&&) = delete;
  ~Cancellation();

  /// Async-signal-safe; calling it again changes nothing.
  void request() const noexcept;
  bool requested() const;

  /// Readable once requested; for poll(). Owned by this object.
  int descriptor() const { return event_fd_; }

 private:
  explicit Cancellation(int event_fd) : event_fd_(event_fd) {}
  int event_fd_ = -1;
};

/// What deadlines are given by: no change of the date moves them.
using Clock = std::chrono::steady_clock;

/// What bounds a wait. The default waits for ever. Copied freely; what is pointed to is borrowed.
struct WaitLimits {
  const Cancellation* cancellation = nullptr;
  std::optional<Clock::time_point> deadline = std::nullopt;
  /// Called several times a second while a wait lasts, and when a signal falls into it, by the
  /// thread that waits. Null: by nobody.
  const std::function<void()>* meanwhile = nullptr;
};

}  // namespace vmstream
