// SPDX-License-Identifier: MIT
// The file that is restored: where it comes from, and how it is opened.
#pragma once

#include <string>

#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// Keys and passphrases, and what else opening needs. Comes first: without them there is no use in
/// touching the file.
vmstream::Result<vmstream::OpenOptions> open_options(const Options& options,
                                                     vmstream::WaitLimits limits);

/// The file at `path` (that of the options, or where a claim moved it), stdin or the command.
vmstream::Result<vmstream::StateFile> open_state_file(const Options& options,
                                                      const vmstream::OpenOptions& how,
                                                      const std::string& path,
                                                      vmstream::WaitLimits limits);

/// The same for a restore: a mapped-ram file, which QEMU takes from a file only and of 9.0 at
/// least, gives its stream as a connection carries it.
vmstream::Result<vmstream::StateFile> open_to_restore(const Options& options,
                                                      const vmstream::OpenOptions& how,
                                                      const std::string& path,
                                                      vmstream::WaitLimits limits);

/// Whether all of the file at `path` is read and checked beforehand: where the options ask for it,
/// and for a demanded signature wherever the file can be read twice.
bool wants_first_pass(const Options& options, const std::string& path);

/// Reads and checks all of the file where the options ask for that before its first byte is handed
/// on.
vmstream::Status verify_if_wanted(const Options& options, const vmstream::OpenOptions& how,
                                  vmtools::Session& session, const std::string& path,
                                  vmstream::WaitLimits limits);

}  // namespace vmrestore
