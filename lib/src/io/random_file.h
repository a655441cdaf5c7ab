// SPDX-License-Identifier: MIT
// A file that somebody has opened and looked at, as a source that is read by position.
#pragma once

#include <memory>

#include <vmstream/random_source.h>
#include "base/unique_fd.h"

namespace vmstream {

/// `fd` is of a regular file or block device, opened for reading.
Result<std::unique_ptr<RandomSource>> make_random_file(UniqueFd fd);

}  // namespace vmstream
