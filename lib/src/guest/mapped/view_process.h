// SPDX-License-Identifier: MIT
// The process that serves a view of a state file.
#pragma once

#include <sys/types.h>

#include <vmstream/lazy_restore.h>
#include <vmstream/memory_view.h>
#include "base/unique_fd.h"

namespace vmstream {

/// What the process is given.
struct ViewProcess {
  UniqueFd first;     ///< its end of a connection to who starts it
  int others_end;     ///< the other end, which is not for it
  UniqueFd listener;  ///< where others come; may be closed
  unsigned threads = 0;
};

/// Forks it: it has the file, the index and what was proved of it as they are here. It leaves the
/// session, ignores signals that ask it to end as long as somebody has the view, leaves no core
/// file, and ends by itself. Errc::Environment where this process has other threads, which a fork
/// would lose.
Result<pid_t> start_view_process(const LazyFile& file, ViewProcess setup);

}  // namespace vmstream
