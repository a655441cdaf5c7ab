// SPDX-License-Identifier: MIT
// verify --multifd: are these files the main stream and the page channels of one guest, all of it?
#pragma once

#include <optional>

#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vminspect {

/// The FILEs are parts of one guest, in any order; of a folder, which is given alone, the files in
/// it are. Prints a verdict on all, and a line for each part. Empty, and nothing is printed, for a
/// postcopy migration with preemption: its second connection is judged by the stream that both
/// make.
std::optional<vmtools::ExitStatus> verify_multifd(vmtools::Session& session,
                                                  const InspectOptions& options);

}  // namespace vminspect
