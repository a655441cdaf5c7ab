// SPDX-License-Identifier: MIT
#include "vmstream-inspect/print/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <vmstream/text.h>
#include "common/terminal.h"

namespace vminspect {

using vmstream::escape;
using vmstream::format_size;
using vmstream::PageKind;
using vmtools::kTerminalColumns;

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

namespace {

// Bars from 1 to a power of ten; each decade has the same width.
class LogScale {
 public:
  explicit LogScale(uint64_t highest) {
    while (decades_ < std::log10(static_cast<double>(std::max<uint64_t>(highest, 1)))) ++decades_;
    columns_ = kColumns / decades_;
  }

  std::string bar(uint64_t value) const {
    if (value == 0) return "";
    auto length = std::lround(std::log10(static_cast<double>(value)) * columns_) + 1;
    return std::string(static_cast<size_t>(length), '#');
  }

  // "1", "10", … above the columns that stand for them.
  std::string axis() const {
    constexpr std::array<std::string_view, 5> kUnits{"", "k", "M", "G", "T"};
    std::string line;
    for (int decade = 0; decade <= decades_; ++decade) {
      int column = decade * columns_;
      line.resize(static_cast<size_t>(column), ' ');
      auto unit = std::min<size_t>(static_cast<size_t>(decade) / 3, kUnits.size() - 1);
      line += "1" + std::string(static_cast<size_t>(decade) - 3 * unit, '0');
      line += kUnits[unit];
    }
    return line;
  }

 private:
  static constexpr int kColumns = 40;
  int decades_ = 1;
  int columns_ = kColumns;
};

constexpr size_t kRowCells = 64;
constexpr std::array<char, 5> kCellSigns{' ', '.', 'f', '#', '+'};

std::string row_of(const vmstream::RamBlockUsage& block, size_t first) {
  std::string row;
  for (size_t i = first; i < std::min(first + kRowCells, block.map.size()); ++i) {
    row += kCellSigns[static_cast<size_t>(block.map[i])];
  }
  return row;
}

std::string render_map(const vmstream::RamBlockUsage& block, uint64_t page_size) {
  uint64_t cell_bytes = block.pages_per_cell * page_size;
  std::string text = fmt::format("{}: {}, {} a cell\n", escape(block.name), format_size(block.size),
                                 format_size(cell_bytes));
  for (size_t at = 0; at < block.map.size();) {
    std::string row = row_of(block, at);
    size_t same = 1;
    while (at + same * kRowCells < block.map.size() &&
           row_of(block, at + same * kRowCells) == row) {
      ++same;
    }
    std::string more = same > 1 ? fmt::format(" x{}", same) : "";
    text += fmt::format("{:>10x} |{}|{}\n", at * cell_bytes, row, more);
    at += same * kRowCells;
  }
  return text;
}

}  // namespace

std::string render_blocks(const vmstream::RamUsage& usage) {
  TextTable table({"size", "data", "zero", "fill", "xbzrle", "compr", "absent", "resent", "block"});
  for (const auto& block : usage.blocks) {
    auto count = [&](PageKind kind) { return fmt::format("{}", block.pages[kind]); };
    table.add({format_size(block.size), count(PageKind::Data), count(PageKind::Zero),
               count(PageKind::Fill), count(PageKind::Xbzrle), count(PageKind::Compressed),
               fmt::format("{}", block.absent_pages), fmt::format("{}", block.resent_pages),
               block.name.empty() ? "(all)" : escape(block.name)});
  }
  return table.render();
}

std::string render_passes(const vmstream::RamUsage& usage) {
  uint64_t highest = 0;
  for (const auto& pass : usage.passes) highest = std::max(highest, pass.pages);
  LogScale scale(highest);
  TextTable table({"pass", "pages", "size", scale.axis()});
  uint64_t number = 0;
  for (const auto& pass : usage.passes) {
    table.add({fmt::format("{}", ++number), fmt::format("{}", pass.pages), format_size(pass.bytes),
               scale.bar(pass.pages)});
  }
  return table.render();
}

std::string render_resends(const vmstream::RamUsage& usage) {
  uint64_t highest = 0;
  for (uint64_t pages : usage.resends) highest = std::max(highest, pages);
  LogScale scale(highest);
  TextTable table({"sent", "pages", scale.axis()});
  for (size_t i = 0; i < usage.resends.size(); ++i) {
    if (usage.resends[i] == 0) continue;
    table.add({fmt::format("{}x", i + 1), fmt::format("{}", usage.resends[i]),
               scale.bar(usage.resends[i])});
  }
  return table.render();
}

std::string render_maps(const vmstream::RamUsage& usage) {
  std::string text = "# data   . zero   f fill   + sent again   blank: never sent\n";
  for (const auto& block : usage.blocks) text += "\n" + render_map(block, usage.page_size);
  return text;
}

}  // namespace vminspect
