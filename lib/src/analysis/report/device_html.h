// SPDX-License-Identifier: MIT
// Devices with their fields, and processors with their registers, as parts of a report that are
// folded.
#pragma once

#include <string>
#include <vector>

#include <vmstream/cpu_registers.h>
#include <vmstream/device_collector.h>

namespace vmstream {

/// All sections. What is beyond 500 rows a device, 15000 rows or 1000 devices is counted.
std::string devices_html(const DeviceCollector& collector);

/// At most 64 processors, the first of them unfolded.
std::string registers_html(const std::vector<CpuRegisters>& cpus);

}  // namespace vmstream
