// SPDX-License-Identifier: MIT
// How a restore went, for people and for programs.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/restore.h>
#include <vmstream/state_file.h>
#include "vmrestore/options.h"

namespace vmrestore {

/// "guest.zst: 1.50 GiB of RAM restored, 1.2 s, guest is running".
std::string summary_line(const Options& options, const vmstream::RestoreSummary& summary);

/// Schema vmstream.restore/1.
nlohmann::ordered_json summary_json(const Options& options, const vmstream::StateFile& state,
                                    const vmstream::RestoreSummary& summary);

}  // namespace vmrestore
