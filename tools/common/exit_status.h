// SPDX-License-Identifier: MIT
// What a tool tells its caller in one number. Every man page has this table.
#pragma once

#include <vmstream/result.h>

namespace vmtools {

enum class ExitStatus {
  Done = 0,         ///< and everything that was promised was checked
  Environment = 1,  ///< I/O, permission, memory, QMP, a pipeline stage, a time-out
  Usage = 2,
  Malformed = 3,    ///< the stream or file is malformed, cut, or fails verification
  Unsupported = 4,  ///< valid, but out of reach
  Refused = 5,      ///< for safety
  Interrupted = 130,
};

ExitStatus exit_status_of(vmstream::Errc code);

}  // namespace vmtools
