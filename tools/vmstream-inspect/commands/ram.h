// SPDX-License-Identifier: MIT
// The answer to "ram": what became of the guest's pages on their way.
#pragma once

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// From the file's index, where that tells all of it; else false, and nothing is printed.
bool show_indexed_ram(Session& session, const InspectOptions& options, vmstream::StateFile& file);

ExitStatus show_ram(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                    vmstream::ByteSource& stream);

}  // namespace vmtools
