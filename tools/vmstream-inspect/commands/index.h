// SPDX-License-Identifier: MIT
// The answer to `index`.
#pragma once

#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// Reads the whole file and leaves its index beside it.
ExitStatus make_index(Session& session, const InspectOptions& options);

}  // namespace vmtools
