// SPDX-License-Identifier: MIT
#include "common/help.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/codec.h>
#include <vmstream/openpgp.h>
#include <vmstream/version.h>

namespace vmtools {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kHelpColumn = 28;

// Takes as many whole words off the front of `text` as fit into `room` columns.
std::string_view take_line(std::string_view& text, size_t room) {
  size_t end = text.size();
  if (end > room) {
    end = text.rfind(' ', room);
    if (end == std::string_view::npos) end = std::min(text.find(' '), text.size());
  }
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// Names on the left, words on the right; a name that is too long has a line to itself.
std::string render_row(const HelpRow& row) {
  std::string out = fmt::format("  {}", row.left);
  std::string_view rest = row.help;
  if (out.size() + 2 > kHelpColumn) {
    out += '\n';
    if (!rest.empty()) out += std::string(kHelpColumn, ' ');
  } else {
    out.resize(kHelpColumn, ' ');
  }
  while (!rest.empty()) {
    out += take_line(rest, kWidth - kHelpColumn);
    out += '\n';
    if (!rest.empty()) out += std::string(kHelpColumn, ' ');
  }
  return out;
}

std::string indent_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) out += "  ";
    out += text.substr(0, end);
    out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

std::string render_help(const ToolText& tool, const std::vector<HelpGroup>& groups) {
  std::string out =
      fmt::format("{} - {}\n\nUsage:\n{}", tool.name, tool.purpose, indent_lines(tool.synopsis));
  for (const HelpGroup& group : groups) {
    out += fmt::format("\n{}:\n", group.title);
    for (const HelpRow& row : group.rows) out += render_row(row);
  }
  if (!tool.examples.empty()) out += "\nExamples:\n" + indent_lines(tool.examples);
  return out;
}

std::string render_version(const ToolText& tool) {
  std::string codings;
  for (const auto& traits : vmstream::codings()) {
    codings += fmt::format(" {}{}", traits.name, traits.writable ? "" : " (read only)");
  }
  std::string engines;
  for (const auto& engine : vmstream::codec_engines()) {
    engines += fmt::format("{}{}", engines.empty() ? " " : ", ", engine);
  }
  engines += ", " + vmstream::openpgp_engine();
  return fmt::format("{} {}\ncodings:{}\nengines:{}\n", tool.name, vmstream::version(), codings,
                     engines);
}

}  // namespace vmtools
