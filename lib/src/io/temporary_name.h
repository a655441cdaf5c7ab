// SPDX-License-Identifier: MIT
// Names of files that are not whole yet, and what becomes of those whose writer was killed.
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace vmstream {

/// ".NAME.PID-RANDOM.partial": beside the target and hidden. Another one at each call, which nobody
/// can take beforehand in a folder that others write to.
std::string temporary_name(const std::string& target_name);

/// Marks a file that has, or will have, such a name as being written: by a lock, which goes with
/// the process. False: somebody has taken the file for a leftover meanwhile.
bool claim_temporary(const UniqueFd& file);

/// Removes the temporaries of `target_name` from `folder` that nobody writes any more: regular
/// files of this user, of such a name, whose lock can be had.
void remove_leftovers(const UniqueFd& folder, const std::string& target_name);

}  // namespace vmstream
