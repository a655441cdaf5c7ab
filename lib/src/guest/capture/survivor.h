// SPDX-License-Identifier: MIT
// Who acts when this process cannot any more, and what QEMU is told then.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/qmp.h>
#include "base/unique_fd.h"
#include "guest/monitor/qmp_command.h"
#include "io/child_process.h"

namespace vmstream {

/// A shell that waits for the end of this process, however it comes, SIGKILL included, and acts
/// then. The destructor ends it: then there is nothing left to do.
class Survivor {
 public:
  /// `script` gets `descriptor`, which is borrowed, as its stdin and stdout, and `arguments` as $0,
  /// $1 and so on.
  static Result<Survivor> start(const std::string& script, int descriptor,
                                const std::vector<std::string>& arguments = {});

  /// It acts now, until it is done or the limits end the wait.
  Status act(const WaitLimits& limits);
  /// It begins to act, and goes on behind the end of this process.
  void take_over();

 private:
  Survivor(UniqueFd alive, ChildProcess shell)
      : alive_(std::move(alive)), shell_(std::move(shell)) {}

  UniqueFd alive_;  // its close, by us or by the kernel, is the sign
  ChildProcess shell_;
};

/// To act is to read `descriptor` (borrowed) into nowhere until its end, so that its writer comes
/// to a good one; and on from there for `latecomers`, as a FIFO has an end after each writer.
Result<Survivor> leave_drain(int descriptor, std::chrono::seconds latecomers = {});

/// To act is to give QEMU the commands, each until QEMU takes it, but none before `delay` is over.
/// `qmp` is borrowed; while the survivor is there its session stays open.
Result<Survivor> leave_last_will(const QmpClient& qmp, const std::vector<QmpCommand>& commands,
                                 Clock::duration delay);

}  // namespace vmstream
