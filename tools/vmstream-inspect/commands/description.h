// SPDX-License-Identifier: MIT
// The description that a stream carries, and schemas for those that carry none.
#pragma once

#include <optional>

#include <vmstream/device_collector.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// What the option --schema names, a stream or a dump of declarations; nothing without the option.
/// Errors are about that file.
vmstream::Result<std::optional<vmstream::DeviceSchema>> read_schema(Session& session,
                                                                    const InspectOptions& options);

}  // namespace vmtools
