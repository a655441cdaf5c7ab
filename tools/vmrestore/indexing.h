// SPDX-License-Identifier: MIT
// The index of a file that is read by position: made where it has none, and kept for the next time.
#pragma once

#include <string>

#include <vmstream/lazy_restore.h>
#include <vmstream/state_file.h>
#include "common/tool.h"

namespace vmrestore {

/// Tells of an index that has to be made.
vmstream::IndexingObserver indexing_observer(vmtools::Session& session, const std::string& name);

/// Keeps one that was made, once it has served its purpose: the next restore of this file need not
/// make it again.
void keep_index(vmtools::Session& session, const std::string& name, const vmstream::LazyFile& file,
                vmstream::WaitLimits limits);

}  // namespace vmrestore
