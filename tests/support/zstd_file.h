// SPDX-License-Identifier: MIT
// Files of test data, unpacked where they are compressed.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace testing {

/// The content of `path`, or of `path`.zst unpacked; nothing when neither can be read.
std::optional<std::vector<std::byte>> load_file(const std::string& path);

}  // namespace testing
