// SPDX-License-Identifier: MIT
// How a save went, for people and for programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/capture.h>
#include "vmdump/options.h"

namespace vmdump {

/// Of the output. Files with holes take less of the disk than they are long.
struct FileFacts {
  uint64_t bytes = 0;
  uint64_t disk_bytes = 0;
  std::string sha256 = {};  ///< empty: not known
};

/// "guest.zst: 1.50 GiB of RAM in 412 MiB (27%), 3.1 s, guest paused 2.9 s", then why the mode,
/// by how much a live save missed converging, each disk that was snapshotted, each that was not
/// and why, and the command to go back.
std::vector<std::string> summary_lines(const Options& options,
                                       const vmstream::CaptureSummary& summary,
                                       const FileFacts& file);

/// "guest.zst: nothing was saved; the guest (running, QEMU 7.2.22) would be by mode stop", then why
/// the mode.
std::vector<std::string> rehearsal_lines(const Options& options,
                                         const vmstream::CaptureSummary& summary);
/// Schema vmstream.dry-run/1: what of the summary is known before the save.
nlohmann::ordered_json rehearsal_json(const Options& options,
                                      const vmstream::CaptureSummary& summary);

/// Schema vmstream.dump/1. What a stream on stdin cannot tell (mode, pause, end) is null.
nlohmann::ordered_json summary_json(const Options& options, const vmstream::CaptureSummary& summary,
                                    const FileFacts& file);

}  // namespace vmdump
