// SPDX-License-Identifier: MIT
// What QEMU is told when this process can tell it nothing any more.
#pragma once

#include <vector>

#include <vmstream/qmp.h>
#include "guest/capture/survivor.h"
#include "guest/monitor/qmp_command.h"

namespace vmstream {

/// To act is to give QEMU the commands, each until QEMU takes it, but none before `delay` is over.
/// `qmp` is borrowed; while the survivor is there its session stays open.
Result<Survivor> leave_last_will(const QmpClient& qmp, const std::vector<QmpCommand>& commands,
                                 Clock::duration delay);

}  // namespace vmstream
