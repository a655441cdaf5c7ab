// SPDX-License-Identifier: MIT
// Tables, plots and pictures of RAM, within 80 columns.
#pragma once

#include <string>

#include <vmstream/ram_usage.h>

namespace vmtools {

/// A row a block: records by kind, pages never sent and pages sent again.
std::string render_blocks(const vmstream::RamUsage& usage);
/// Pages and bytes of each pass, with a bar on a logarithmic scale.
std::string render_passes(const vmstream::RamUsage& usage);
/// How many pages were sent once, twice, …, likewise.
std::string render_resends(const vmstream::RamUsage& usage);
/// A picture of each block, rows that are alike folded into one.
std::string render_maps(const vmstream::RamUsage& usage);

}  // namespace vmtools
