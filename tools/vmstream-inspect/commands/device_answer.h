// SPDX-License-Identifier: MIT
// The commands that decode devices.
#pragma once

#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

ExitStatus answer_device(Session& session, const InspectOptions& options);
ExitStatus answer_vmdesc(Session& session, const InspectOptions& options);
ExitStatus answer_dump(Session& session, const InspectOptions& options);

}  // namespace vmtools
