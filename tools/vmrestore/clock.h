// SPDX-License-Identifier: MIT
// The clock of a guest that is back: it stands at the time of the save.
#pragma once

#include <string>

#include <vmstream/cancellation.h>
#include "vmrestore/options.h"

namespace vmrestore {

/// Sets it where the options say so. `run_state` is the guest's: one that stands still has nobody
/// to set it.
vmstream::Status set_clock(const Options& options, const std::string& run_state,
                           vmstream::WaitLimits limits);

}  // namespace vmrestore
