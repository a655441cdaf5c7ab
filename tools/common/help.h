// SPDX-License-Identifier: MIT
// The layout of --help: 80 columns, grouped, examples at the end.
#pragma once

#include <string>
#include <vector>

#include "common/command_line.h"

namespace vmtools {

struct HelpRow {
  std::string left;  ///< "-o, --output FILE"
  std::string help;
};

struct HelpGroup {
  std::string title;
  std::vector<HelpRow> rows;
};

std::string render_help(const ToolText& tool, const std::vector<HelpGroup>& groups);

/// What -h shows: usage, the names of what there is, and where more is said.
std::string render_short_help(const ToolText& tool, const std::vector<HelpGroup>& groups);

/// Version, codings and engines.
std::string render_version(const ToolText& tool);

}  // namespace vmtools
