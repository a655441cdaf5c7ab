// SPDX-License-Identifier: MIT
// The work of "extract": a part of the stream becomes a file.
#pragma once

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// The output appears whole or not at all.
ExitStatus extract(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                   vmstream::ByteSource& stream);

}  // namespace vmtools
