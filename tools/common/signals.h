// SPDX-License-Identifier: MIT
// SIGINT, SIGTERM and SIGHUP as a request that the work at hand notices and cleans up after.
#pragma once

#include <vmstream/cancellation.h>

namespace vmtools {

/// While it lives, the three signals request `cancellation`, however often they come, and nothing
/// else: a second Ctrl-C does not skip the clean-up. A SIGHUP that is ignored at the start, as
/// under nohup, stays ignored; a SIGINT does not, for shells ignore it in every background command.
/// At most one object at a time. With its end the signals are ignored: the work is done, its status
/// is known, and the process that has yet to tell it must not die of a signal that came too late.
class SignalGuard {
 public:
  /// `cancellation` is borrowed and must outlive the guard.
  explicit SignalGuard(const vmstream::Cancellation& cancellation);
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
};

/// While it lives, SIGUSR1 asks how far the work has come, as dd has it; after it the signal is
/// ignored. At most one at a time.
class StatusRequests {
 public:
  StatusRequests();
  ~StatusRequests();
  StatusRequests(const StatusRequests&) = delete;
  StatusRequests& operator=(const StatusRequests&) = delete;

  /// Whether one has come since the last call.
  bool take();
};

/// A reader that goes away, or a file that may grow no more, is an error of the write and not the
/// end of the process.
void ignore_failing_writes();

}  // namespace vmtools
