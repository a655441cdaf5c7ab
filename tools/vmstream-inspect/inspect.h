// SPDX-License-Identifier: MIT
// The work: open the file, read it, print the answer.
#pragma once

#include <string>

#include <vmstream/problem_log.h>
#include <vmstream/stream_scan.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// A damaged file gives what can be had, then the error line and its status.
ExitStatus inspect(Session& session, const InspectOptions& options);

/// The file as messages name it.
std::string shown_name(const InspectOptions& options);

/// What the scan found wrong decides the status. Problems that did not end it have been printed
/// with the answer; here they get a line of their own for those who read only stderr.
ExitStatus judge(Session& session, const InspectOptions& options, const vmstream::ScanResult& scan,
                 const vmstream::ProblemLog& problems);

/// A reader that went away ends the scan: there is nobody to read it for.
vmstream::Status check_output();

}  // namespace vmtools
