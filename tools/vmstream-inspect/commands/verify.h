// SPDX-License-Identifier: MIT
// verify: is the file whole, and does it agree with itself?
#pragma once

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// Reads everything and prints one verdict with what is wrong.
ExitStatus verify(Session& session, const InspectOptions& options, vmstream::StateFile& state);

}  // namespace vmtools
