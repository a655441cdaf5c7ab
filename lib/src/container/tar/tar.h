// SPDX-License-Identifier: MIT
// An archive with a state file in it.
#pragma once

#include <string_view>

#include "container/framing/found_content.h"

namespace vmstream {

/// Whether a tar header with the right checksum begins here: ustar, pax, GNU.
bool is_tar(std::string_view head);

/// The first member that is a state file. Its place is what is wanted, which libraries for archives
/// do not tell: the memory of a guest is read by position.
Result<FoundContent> find_in_tar(ForwardReader& in, const IsStateFile& is_state_file);

}  // namespace vmstream
