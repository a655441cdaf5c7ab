// SPDX-License-Identifier: MIT
// A file read for the content of its devices.
#pragma once

#include <memory>
#include <optional>

#include <vmstream/device_collector.h>
#include "common/tool.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

struct DeviceReading {
  Reading reading;
  std::unique_ptr<vmstream::DeviceCollector> collector;  ///< with the sections that were wanted
  vmstream::StreamSummary summary;                       ///< of the stream, problems included
};

/// Reads as read_subject() does. `schema` serves where the stream has no description. Fails where
/// the stream could not be read at all.
vmstream::Result<DeviceReading> read_devices(Session& session, const InspectOptions& options,
                                             const std::optional<vmstream::DeviceSchema>& schema,
                                             const vmstream::DeviceCollector::Wanted& wanted = {});

}  // namespace vmtools
