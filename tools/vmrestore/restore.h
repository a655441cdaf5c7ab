// SPDX-License-Identifier: MIT
// The restore from end to end.
#pragma once

#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// File, stdin or command -> decoders -> guard -> stdout, file or QEMU. A file that turns out to be
/// damaged leaves no output file, and nothing that a QEMU could run.
vmtools::ExitStatus restore(const Options& options, vmtools::Session& session);

/// Restores in which the guest runs before its memory is there: --lazy and --resume-lazy. The
/// options have been checked.
vmtools::ExitStatus restore_lazy(const Options& options, vmtools::Session& session);

/// Restores in which the guest's memory is mapped: --map. The options have been checked.
vmtools::ExitStatus restore_mapped(const Options& options, vmtools::Session& session);

}  // namespace vmrestore
