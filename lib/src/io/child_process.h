// SPDX-License-Identifier: MIT
// A program that this process started, waits for and can end.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

/// How a child ended.
struct ExitStatus {
  int code = 0;    ///< exit status, if no signal
  int signal = 0;  ///< the signal that ended it, or 0
  bool success() const { return code == 0 && signal == 0; }
  /// "exit status 3", "signal 9 (Killed)"
  std::string text() const;
};

/// What a child is given. Descriptors are borrowed.
struct ChildSetup {
  int stdin_fd = -1;               ///< -1: /dev/null
  int stdout_fd = -1;              ///< -1: /dev/null
  std::vector<int> kept_fds = {};  ///< stay open in the child, under the same numbers
  int stderr_fd = -1;              ///< -1: this process's own
  bool inherit_stdio = false;      ///< stdin and stdout of this process instead of the two above
};

/// Owns a child: the destructor ends it and waits for it, unless it ended or was released before.
class ChildProcess {
 public:
  /// Starts `argv[0]`, found in PATH, with default signal handling. All other descriptors are
  /// closed in it. Without a terminal it leads a process group, so that ending it ends what it
  /// started.
  static Result<ChildProcess> start(const std::vector<std::string>& argv, const ChildSetup& setup);
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), leads_group_(other.leads_group_) {}
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  /// Waits for the end within `limits`; an error if it ended or was released before.
  Result<ExitStatus> wait(const WaitLimits& limits);
  /// SIGTERM, two seconds of patience, SIGKILL; waits.
  void end();
  void release() { pid_ = -1; }

 private:
  ChildProcess(pid_t pid, bool leads_group) : pid_(pid), leads_group_(leads_group) {}
  void signal(int number) const;

  pid_t pid_ = -1;
  bool leads_group_ = false;
};

}  // namespace vmstream
