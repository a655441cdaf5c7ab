// SPDX-License-Identifier: MIT
// Holds the parser against a capture of a real QEMU and what is known of the guest then.
#pragma once

#include <string>
#include <vector>

namespace testing {

/// Everything wrong with the way FOLDER/NAME.qevm[.zst] is read; empty when all is well:
///   - it parses to its end, and what the parser tells gives the same bytes when written again;
///   - its sections are those of NAME.truth/analyze-state.json, where that exists;
///   - its RAM has the checksums of NAME.truth/ram-page-crc32.bin, except for blocks of which the
///     truth says that they changed meanwhile, and unless the pages went another way.
std::vector<std::string> check_capture(const std::string& folder, const std::string& name);

/// The names of the captures in a folder, sorted.
std::vector<std::string> list_captures(const std::string& folder);

}  // namespace testing
