// SPDX-License-Identifier: MIT
// How a restore went, for people and for programs.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/lazy_restore.h>
#include <vmstream/restore.h>
#include <vmstream/state_file.h>
#include "vmrestore/options.h"

namespace vmrestore {

/// Where nobody can be told the rest.
inline constexpr std::string_view kDoneAllTheSame = "the restore is done all the same";

/// "guest.zst: 1.50 GiB of RAM restored, 1.2 s, guest is running".
std::string summary_line(const Options& options, const vmstream::RestoreSummary& summary);

/// Schema vmstream.restore/1. `clock_set`: whether the clock was set if it was to be.
nlohmann::ordered_json summary_json(const Options& options,
                                    const std::vector<vmstream::Container>& containers,
                                    const vmstream::RestoreSummary& summary, bool clock_set);

/// "guest.zst: guest is running since 0.012 s, 512 MiB delivered, 1.2 s; the file is no longer
/// needed".
std::string lazy_summary_line(const Options& options, const vmstream::LazySummary& summary);

/// Schema vmstream.restore/1, with what lazy restores have in common with others, and "lazy".
nlohmann::ordered_json lazy_summary_json(const Options& options, const vmstream::LazyFile& file,
                                         const vmstream::LazySummary& summary, bool clock_set);

}  // namespace vmrestore
