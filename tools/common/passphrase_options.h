// SPDX-License-Identifier: MIT
// Where a passphrase comes from: never from an argument.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <vmstream/secret.h>

namespace vmtools {

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
