// SPDX-License-Identifier: MIT
#include "vmstream-inspect/print/text_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/wrap.h"

namespace vmtools {
namespace {

constexpr std::string_view kWideGap = "  ";
constexpr std::string_view kNarrowGap = " ";
constexpr std::string_view kNameIndent = "\n    ";

}  // namespace

TextTable::TextTable(std::vector<std::string> titles) : widths_(titles.size()) {
  add(std::move(titles));
}

void TextTable::add(std::vector<std::string> cells) {
  for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::render() const {
  size_t width = 0;
  for (size_t column : widths_) width += column + kWideGap.size();
  auto gap = width <= kTerminalColumns ? kWideGap : kNarrowGap;
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i + 1 < row.size(); ++i) {
      line += fmt::format("{}{:>{}}", gap, row[i], widths_[i]);
    }
    text += with_name(std::move(line), gap, row.back());
  }
  return text;
}

std::string with_name(std::string line, std::string_view gap, std::string_view name) {
  bool fits = line.size() + gap.size() + name.size() <= kTerminalColumns;
  line += fits ? gap : std::string_view(kNameIndent);
  return line.append(name) + "\n";
}

}  // namespace vmtools
