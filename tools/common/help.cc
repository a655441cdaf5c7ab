// SPDX-License-Identifier: MIT
#include "common/help.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/codec.h>
#include <vmstream/libvirt.h>
#include <vmstream/openpgp.h>
#include "common/terminal.h"

namespace vmtools {
namespace {

constexpr size_t kHelpColumn = 28;

// Names on the left, words on the right; a name that is too long has a line to itself.
std::string render_row(const HelpRow& row) {
  std::string out = fmt::format("  {}", row.left);
  const std::string column(kHelpColumn, ' ');
  if (out.size() + 2 > kHelpColumn) {
    out += row.help.empty() ? "" : "\n" + column;
  } else {
    out.resize(kHelpColumn, ' ');
  }
  return fmt::format("{}{}\n", out,
                     fmt::join(wrap(row.help, kTerminalColumns - kHelpColumn), "\n" + column));
}

// "-o" of "-o, --output FILE".
std::string_view first_name(const HelpRow& row) {
  return std::string_view(row.left).substr(0, row.left.find_first_of(", "));
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

std::string render_short_help(const ToolText& tool, const std::vector<HelpGroup>& groups) {
  std::string out =
      fmt::format("{} - {}\n\nUsage:\n{}\n", tool.name, tool.purpose, indent_lines(tool.synopsis));
  for (const HelpGroup& group : groups) {
    std::string names;
    for (const HelpRow& row : group.rows) {
      names += fmt::format("{}{}", names.empty() ? "" : " ", first_name(row));
    }
    out += render_row({group.title + ":", names});
  }
  return out + fmt::format("\n{0} --help explains them, man {0} tells all.\n", tool.name);
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
  std::string libvirt = vmstream::libvirt_engine();
  engines += ", " + (libvirt.empty() ? "no libvirt" : libvirt);
  return fmt::format("{} {}\ncodings:{}\nengines:{}\n", tool.name, vmstream::version(), codings,
                     engines);
}

}  // namespace vmtools
