// SPDX-License-Identifier: MIT
// hexdump: every byte with its meaning.
#pragma once

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// Prints rows as they come.
ExitStatus hexdump(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                   vmstream::ByteSource& stream);

}  // namespace vmtools
