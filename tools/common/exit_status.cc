// SPDX-License-Identifier: MIT
#include "common/exit_status.h"

namespace vmtools {

using vmstream::Errc;

ExitStatus exit_status_of(Errc code) {
  switch (code) {
    case Errc::Environment:
    case Errc::TimedOut:
      return ExitStatus::Environment;
    case Errc::Usage:
      return ExitStatus::Usage;
    case Errc::Malformed:
    case Errc::Truncated:
      return ExitStatus::Malformed;
    case Errc::Unsupported:
      return ExitStatus::Unsupported;
    case Errc::Refused:
      return ExitStatus::Refused;
    case Errc::Interrupted:
      return ExitStatus::Interrupted;
  }
  return ExitStatus::Environment;
}

}  // namespace vmtools
