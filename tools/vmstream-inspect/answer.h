// SPDX-License-Identifier: MIT
// What all answers begin and end with.
#pragma once

#include <functional>
#include <string>

#include <vmstream/problem_log.h>
#include <vmstream/result.h>
#include <vmstream/state_file.h>
#include <vmstream/stream_scan.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"
#include "vmstream-inspect/printer.h"

namespace vmtools {

vmstream::Result<vmstream::StateFile> open_subject(Session& session, const InspectOptions& options);

/// The file's name in messages.
std::string shown_name(const InspectOptions& options);

/// The exit status that fits what was found, after the error line for it.
ExitStatus judge(Session& session, const InspectOptions& options, const vmstream::ScanResult& scan,
                 const vmstream::ProblemLog& problems);

/// A file that has been read.
struct Reading {
  vmstream::ScanResult scan;
  Subject subject;
  bool ram_read = true;
};

/// Reads the file for a question about devices: only its ends, where they hold the answer.
/// `start` gives a fresh visitor each time it is called; `is_sound` is asked about the last one,
/// after the ends. Fails where the stream could not be read at all.
vmstream::Result<Reading> read_subject(
    Session& session, const InspectOptions& options,
    const std::function<vmstream::StreamVisitor&()>& start,
    const std::function<bool(const vmstream::ScanResult&)>& is_sound);

}  // namespace vmtools
