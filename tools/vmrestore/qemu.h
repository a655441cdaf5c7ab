// SPDX-License-Identifier: MIT
// The QEMU that takes the guest.
#pragma once

#include <string>
#include <vector>

#include <vmstream/restore.h>
#include "common/tool.h"

namespace vmrestore {

/// QemuProcess::start() that says so where nothing has answered for some seconds: a script in place
/// of QEMU may have dropped what was added to its arguments.
vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const std::vector<std::string>& command,
                                                   vmstream::WaitLimits limits);

/// Flushes what has been reported, waits for the end of a QEMU started here, and gives the status
/// of the tool: `restored`, or that of a failure since. The guest runs, so nothing but a signal
/// ends it before its time.
vmtools::ExitStatus wait_for_qemu(vmtools::Session& session, vmstream::QemuProcess& qemu,
                                  const std::string& program, vmtools::ExitStatus restored);

}  // namespace vmrestore
