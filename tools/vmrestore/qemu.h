// SPDX-License-Identifier: MIT
// The QEMU that takes the guest.
#pragma once

#include <string>

#include <vmstream/restore.h>
#include "common/tool.h"

namespace vmrestore {

/// Flushes what has been reported, waits for the end of a QEMU started here, and gives the status
/// of the tool: that of a failure where QEMU did not exit with 0.
vmtools::ExitStatus wait_for_qemu(vmtools::Session& session, vmstream::QemuProcess& qemu,
                                  const std::string& program);

}  // namespace vmrestore
