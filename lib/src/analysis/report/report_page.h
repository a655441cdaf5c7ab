// SPDX-License-Identifier: MIT
// The facts of a report, and the page that they become.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cpu_registers.h>
#include <vmstream/device_collector.h>
#include <vmstream/physical_map.h>
#include <vmstream/ram_usage.h>
#include <vmstream/report.h>
#include <vmstream/stream_summary.h>
#include "analysis/report/page_pictures.h"
#include "analysis/report/screen.h"

namespace vmstream {

/// All that is on the page. Borrowed for its writing.
struct ReportFacts {
  const ReportSubject& subject;
  const StreamSummary& summary;
  const RamUsage& ram;
  const std::vector<BlockPages>& pages;
  const DeviceCollector& devices;
  const std::optional<PhysicalMap>& map;
  const std::string& map_fault;  ///< why there is none
  const std::vector<CpuRegisters>& cpus;
  const std::string& cpu_fault;
  const std::optional<Screen>& screen;
};

/// The whole document.
std::string report_page(const ReportFacts& facts);

/// The style sheet, for the screen and for paper.
std::string_view report_style();

}  // namespace vmstream
