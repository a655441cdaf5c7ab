// SPDX-License-Identifier: MIT
// The options that every tool has.
#pragma once

#include <optional>

#include "common/messages.h"
#include "common/terminal.h"

namespace vmtools {

class CommandLine;

enum class ProgressMode { Auto, Always, Never, Json };

struct CommonOptions {
  Verbosity verbosity = Verbosity::Normal;
  ProgressMode progress = ProgressMode::Auto;
  int progress_fd = 2;
  bool json = false;
  ColorMode color = ColorMode::Auto;
  unsigned threads = 0;  ///< 0: one a core
};

/// Adds them as the last group of --help. `options` is borrowed and filled in by parse().
void add_common_options(CommandLine& line, CommonOptions& options);

}  // namespace vmtools
