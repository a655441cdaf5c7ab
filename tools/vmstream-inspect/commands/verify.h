// SPDX-License-Identifier: MIT
// verify: is the file whole, and does it agree with itself?
#pragma once

#include "common/tool.h"
#include "vmstream-inspect/options.h"

namespace vmtools {

/// Reads everything and prints one verdict with what is wrong. Of several files a line each, and
/// the highest of their statuses. With --multifd, and of a folder, see verify_multifd().
ExitStatus verify(Session& session, const InspectOptions& options);

}  // namespace vmtools
