// SPDX-License-Identifier: MIT
// --into: the loaded guest becomes a snapshot of a disk image.
#pragma once

#include <optional>

#include <vmstream/restore.h>
#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// What --into names, as far as the QEMU behind `qmp` has it; nothing without the option.
vmstream::Result<std::optional<vmstream::ImageTarget>> find_target(const Options& options,
                                                                   vmstream::QmpClient& qmp);

/// Lets QEMU make the snapshot, and reads from the image that there is a whole stream in it.
vmstream::Status save_into(const vmstream::ImageTarget& target, vmtools::Session& session,
                           const Options& options, vmstream::QmpClient& qmp,
                           vmstream::WaitLimits limits);

/// What --explain says of it; empty without the option.
std::string into_explanation(const Options& options);

}  // namespace vmrestore
