// SPDX-License-Identifier: MIT
// Small files of text that the options name.
#pragma once

#include <cstdint>
#include <string>

#include <vmstream/cancellation.h>
#include <vmstream/random_source.h>

namespace vmtools {

/// All of an open file; Errc::Malformed for one of more bytes than `what` may have.
vmstream::Result<std::string> read_text(vmstream::RandomSource& file, uint64_t most_bytes,
                                        const char* what);
/// The same of what a name leads to, a file or a pipe.
vmstream::Result<std::string> read_text(const std::string& path, uint64_t most_bytes,
                                        const char* what, vmstream::WaitLimits limits);

}  // namespace vmtools
