// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/device_reading.h"

namespace vmtools {

using vmstream::DeviceCollector;

vmstream::Result<DeviceReading> read_devices(Session& session, const InspectOptions& options,
                                             const std::optional<vmstream::DeviceSchema>& schema,
                                             const DeviceCollector::Wanted& wanted) {
  std::unique_ptr<DeviceCollector> collector;
  vmstream::StreamSummary summary;
  auto start = [&]() -> vmstream::StreamVisitor& {
    collector = std::make_unique<DeviceCollector>(wanted);
    if (schema) collector->use_schema(*schema);
    return *collector;
  };
  auto is_sound = [&](const vmstream::ScanResult& scan) {
    summary = collector->finish(scan);
    return summary.problems.damage() == 0;
  };
  auto reading = read_subject(session, options, start, is_sound);
  if (!reading) return reading.error();
  if (reading->ram_read) summary = collector->finish(reading->scan);
  summary.ram_read = reading->ram_read;
  return DeviceReading{std::move(*reading), std::move(collector), std::move(summary)};
}

}  // namespace vmtools
