// SPDX-License-Identifier: MIT
// Which of a program's calls into the C library is to go wrong, and how.
//
// VMSTREAM_FAULT says PROGRAM CALL NUMBER ACTION ARGUMENT: "vmdump write 3 error 28" lets the third
// write of vmdump fail with ENOSPC, "3+" the third and all behind it. VMSTREAM_FAULT_LOG names a
// file that is told of the fault, or at the end how often each call was made. With
// VMSTREAM_FAULT_NO_TMPFILE it is as on a file system that has no unnamed files.
//
// Actions: error ERRNO; short 0 (half of the bytes); end 0 (as if the other side had closed);
// signal NUMBER, or signal NUMBER:PID to another process; delay MILLISECONDS; jump SECONDS (of the
// clock); count 0.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace faults {

enum class Call {
  Open,
  Read,
  FileRead,  ///< of a regular file; counted as a Read too
  Write,
  Receive,
  Send,
  Poll,
  Sync,
  Close,
  Link,
  Rename,
  Unlink,
  Truncate,
  Pipe,
  Socket,
  Spawn,
  Thread,
  Memory,
  Clock,
};

/// In the order of Call.
inline constexpr std::array<std::string_view, 19> kCallNames{
    "open",   "read",  "file-read", "write",  "receive", "send",     "poll",
    "sync",   "close", "link",      "rename", "unlink",  "truncate", "pipe",
    "socket", "spawn", "thread",    "memory", "clock"};

enum class Verdict {
  Real,   ///< make the call
  Error,  ///< errno is set: fail
  Short,  ///< make it with fewer bytes
  End,    ///< say that there is nothing more
};

/// Counts a call and decides on it. A planned signal has been sent when this returns.
Verdict judge(Call call);

/// By how much the clock is off from the planned reading on.
long clock_jump_seconds();

}  // namespace faults
