// SPDX-License-Identifier: MIT
// Text that people type and text that they must be shown safely.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// `text` with control characters, bytes that are no UTF-8 and backslashes written as \xNN or \\,
/// so that it can go to a terminal, a log or a message. Names from streams, monitors and commands
/// are never shown in any other way.
std::string escape(std::string_view text);

/// "4096", "0x1000", "4k", "4K", "4KiB", "1.5G": bytes, powers of 1024.
Result<uint64_t> parse_size(std::string_view text);
/// A size, with or without "/s": bytes a second.
Result<uint64_t> parse_rate(std::string_view text);
/// "250ms", "30s", "2min", "1h"; a bare number is seconds.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "1.50 GiB", "12 bytes": three digits and the unit.
std::string format_size(uint64_t bytes);
/// "0:07", "2:03:10".
std::string format_duration(std::chrono::seconds seconds);
/// The names sorted by how far they are from `wanted`: those that hold it first, if it has three
/// letters, then by the number of letters to change, add, leave out or swap. Only the first 64
/// letters of the first 16384 names count.
std::vector<std::string> by_distance(std::string_view wanted, std::vector<std::string> names);

/// "did you mean 'this' or 'that'?" with the names, three at most, that are near enough to be
/// meant; empty where none is.
std::string did_you_mean(std::string_view wanted, std::vector<std::string> names);

/// "6a1c3b5e-0000-4000-8000-000000000001"
std::string uuid_text(const std::array<std::byte, 16>& uuid);

}  // namespace vmstream
