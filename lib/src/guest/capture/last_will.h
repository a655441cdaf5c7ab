// SPDX-License-Identifier: MIT
// What QEMU is told when this process can tell it nothing any more.
#pragma once

#include <vector>

#include <vmstream/qmp.h>
#include "base/unique_fd.h"
#include "guest/monitor/qmp_command.h"
#include "io/child_process.h"

namespace vmstream {

/// A process that holds the monitor's session too, waits for the end of this one, however it comes,
/// and then gives QEMU the commands, each until QEMU takes it. A guest that stands still for a save
/// so survives SIGKILL. The destructor withdraws it.
class LastWill {
 public:
  /// `qmp` is borrowed. While the will is there its session stays open.
  static Result<LastWill> leave(const QmpClient& qmp, const std::vector<QmpCommand>& commands);

  /// Once, instead of withdrawing it. Its commands are given now, until the limits end it...
  Status carry_out(const WaitLimits& limits);
  /// ... or, behind the end of this process too, whenever a QEMU that is silent now takes them.
  void take_over();

 private:
  LastWill(UniqueFd alive, ChildProcess executor)
      : alive_(std::move(alive)), executor_(std::move(executor)) {}

  UniqueFd alive_;  // its close, by us or by the kernel, is the sign
  ChildProcess executor_;
};

}  // namespace vmstream
