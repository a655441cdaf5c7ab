// SPDX-License-Identifier: MIT
// The QEMU that takes the guest.
#pragma once

#include <string>
#include <vector>

#include <vmstream/restore.h>
#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// A session with the QEMU behind this monitor; what takes long there is said.
vmstream::Result<vmstream::QmpClient> connect_to_qemu(vmtools::Session& session,
                                                      const std::string& monitor,
                                                      vmstream::WaitLimits limits);

/// The QEMU of the options, likewise. It gets the descriptors that vmrestore was started with, but
/// those that are vmrestore's own by the options.
vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const Options& options,
                                                   vmstream::WaitLimits limits);

/// Flushes what has been reported, waits for the end of a QEMU started here, and gives the status
/// of the tool: `restored`, or that of a failure since. The guest runs, so nothing but a signal
/// ends it before its time.
vmtools::ExitStatus wait_for_qemu(vmtools::Session& session, vmstream::QemuProcess& qemu,
                                  const std::string& program, vmtools::ExitStatus restored);

}  // namespace vmrestore
