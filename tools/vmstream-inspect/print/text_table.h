// SPDX-License-Identifier: MIT
// Columns as wide as what stands in them; and tables, plots and pictures of RAM, within 80 columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vmstream/ram_usage.h>

namespace vminspect {

/// A table whose columns are set right, but for the last, which holds names. Where one does not fit
/// into the line it has the next to itself.
class TextTable {
 public:
  /// `titles` are also the narrowest widths.
  explicit TextTable(std::vector<std::string> titles);

  /// As many cells as titles.
  void add(std::vector<std::string> cells);
  /// All rows, the titles first. Gaps shrink where that keeps the lines within a terminal.
  std::string render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> widths_;
};

/// `line`, a gap, a name, and the end of the line; the name on a line of its own where it does not
/// fit behind.
std::string with_name(std::string line, std::string_view gap, std::string_view name);

/// A row a block: records by kind, pages never sent and pages sent again.
std::string render_blocks(const vmstream::RamUsage& usage);
/// Pages and bytes of each pass, with a bar on a logarithmic scale.
std::string render_passes(const vmstream::RamUsage& usage);
/// How many pages were sent once, twice, …, likewise.
std::string render_resends(const vmstream::RamUsage& usage);
/// A picture of each block, rows that are alike folded into one.
std::string render_maps(const vmstream::RamUsage& usage);

}  // namespace vminspect
