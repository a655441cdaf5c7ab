// SPDX-License-Identifier: MIT
// Restores in which the guest runs before its memory is there.
#pragma once

#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// --lazy and --resume-lazy. The options have been checked.
vmtools::ExitStatus restore_lazy(const Options& options, vmtools::Session& session);

}  // namespace vmrestore
