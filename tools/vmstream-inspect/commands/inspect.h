// SPDX-License-Identifier: MIT
// The work: open the file, read it, print the answer.
#pragma once

#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// A damaged file gives what can be had, then the error line and its status.
ExitStatus inspect(Session& session, const InspectOptions& options);

}  // namespace vmtools
