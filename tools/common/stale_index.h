// SPDX-License-Identifier: MIT
// What a new file leaves beside it.
#pragma once

#include <string>

#include "common/tool.h"

namespace vmtools {

/// Warns if an index of earlier content lies beside `file`, which has just been written. It is
/// left: nobody asked for it to go, and readers see that it is of another file.
void warn_of_stale_index(Session& session, const std::string& file);

}  // namespace vmtools
