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

namespace vmstream {

/// What the marks of a pattern stand for, in order.
using Words = std::vector<std::string>;

struct MessageMatch {
  Words words;
  size_t length = 0;  ///< bytes of the text that the message takes
};

/// Whether `text` begins with a message of the form `pattern`, in which * stands for any text, @
/// for a word and # for a number, decimal or hex. A * at the end takes the rest. A mark stands for
/// at most 1024 bytes, which bounds the time that a made-up text can take.
std::optional<MessageMatch> match_front(std::string_view pattern, std::string_view text);

/// One message, or a chain of them, in one line. White space in it is single spaces.
struct Statement {
  std::string text;
  bool opens_line = false;   ///< nothing stood in front: it may be the rest of the line before
  bool before_name = false;  ///< a time or QEMU's name came behind: it may be what a log put there
};

/// Cuts at line ends, and in front of times and of QEMU's name, so that messages which were pasted
/// one behind the other are apart. Times and names are left out.
std::vector<Statement> split_statements(std::string_view text);

/// Up to the first space.
std::string first_word(const std::string& text);
/// A number as QEMU prints it: decimal, with a minus, or hex with 0x.
std::optional<uint64_t> parse_number(std::string_view text);
/// The same of hex digits, as QEMU prints some numbers, with or without 0x.
std::optional<uint64_t> parse_hex_number(std::string_view text);
/// The same as 32 bits: -22 and 0xffffffea are one.
std::optional<uint32_t> parse_number32(std::string_view text);

/// Whether a name from a stream is `text` where QEMU, a terminal or a log have printed it: they
/// stop at a zero byte, and lose bytes that are no text.
bool prints_as(std::string_view name, std::string_view text);

/// The first bytes in hex, to be looked for in a dump.
std::string hex_of(std::span<const std::byte> bytes);

}  // namespace vmstream
