// SPDX-License-Identifier: MIT
// The save from end to end.
#pragma once

#include "common/tool.h"
#include "vmdump/options.h"

namespace vmdump {

/// QEMU, stdin or a state file -> tap -> encoder or filter -> file, stdout or command. The file is
/// published only when all of it succeeded, the guest's fate is decided only after that, and the
/// summary comes last.
vmtools::ExitStatus dump(const Options& options, vmtools::Session& session);

}  // namespace vmdump
