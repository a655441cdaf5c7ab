// SPDX-License-Identifier: MIT
// A file read for the content of its devices; the description that it carries, and schemas for
// those that carry none.
#pragma once

#include <memory>
#include <optional>

#include <vmstream/device_collector.h>
#include "common/tool.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/options.h"

namespace vminspect {

struct DeviceReading {
  Reading reading;
  std::unique_ptr<vmstream::DeviceCollector> collector;  ///< with the sections that were wanted
  vmstream::StreamSummary summary;                       ///< of the stream, problems included
};

/// Reads as read_subject() does, and keeps the text of the description. `schema` serves where the
/// stream has no description. Fails where the stream could not be read at all.
vmstream::Result<DeviceReading> read_devices(vmtools::Session& session,
                                             const InspectOptions& options,
                                             const std::optional<vmstream::DeviceSchema>& schema,
                                             const vmstream::DeviceCollector::Wanted& wanted = {});

/// Everything decoded, as dump prints it. All sections have been wanted.
void print_state_json(const DeviceReading& read);

/// What the option --schema names, a stream or a dump of declarations; nothing without the option.
/// Errors are about that file.
vmstream::Result<std::optional<vmstream::DeviceSchema>> read_schema(vmtools::Session& session,
                                                                    const InspectOptions& options);

}  // namespace vminspect
