// SPDX-License-Identifier: MIT
// explain: where and why a load would fail.
#pragma once

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// Prints sentences, what fails first; with an error of QEMU's what that speaks of in front.
ExitStatus explain(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                   vmstream::ByteSource& stream);

}  // namespace vmtools
