// SPDX-License-Identifier: MIT
// Columns as wide as what stands in them.
#pragma once

#include <string>
#include <vector>

namespace vmtools {

/// A table whose columns are set right, but for the last, which holds names and may run on.
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

}  // namespace vmtools
