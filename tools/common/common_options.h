// SPDX-License-Identifier: MIT
// The options that several tools have: those of all of them, and where a passphrase comes from.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <vmstream/openpgp.h>
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

class CommandLine;

struct PassphraseOptions {
  // At most one of the two; gpg-agent has it, or asks for it, with neither.
  std::optional<std::string> file;
  std::optional<int> descriptor;

  /// Whether the passphrase is read from stdin, which then gives nothing else.
  bool uses_stdin() const { return descriptor == 0; }
};

/// Adds --passphrase-file and --passphrase-fd. `options` is borrowed and filled in by parse().
void add_passphrase_options(CommandLine& line, PassphraseOptions& options);

/// Reads the passphrase; null if there is none to read.
vmstream::Result<std::shared_ptr<const vmstream::Secret>> read_passphrase(
    const PassphraseOptions& options, vmstream::WaitLimits limits);

}  // namespace vmtools
