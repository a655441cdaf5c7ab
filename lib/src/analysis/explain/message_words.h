// SPDX-License-Identifier: MIT
// Taking QEMU's messages apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmstream::analysis {

/// What the stars of a pattern stand for, in order.
using Words = std::vector<std::string>;

/// The words of `line`, wherever in it `pattern` begins. A star at the end takes the rest. Nothing
/// where the line is another message.
std::optional<Words> match_message(std::string_view pattern, std::string_view line);

/// Up to the first space.
std::string first_word(const std::string& text);
/// The number that `text` begins with; punctuation may follow.
std::optional<uint32_t> parse_number(const std::string& text);
/// The same of bare hex digits, as QEMU prints some numbers, with nothing behind them.
std::optional<uint32_t> parse_hex_number(std::string_view text);

/// The first bytes in hex, to be looked for in a dump.
std::string hex_of(std::span<const std::byte> bytes);

}  // namespace vmstream::analysis
