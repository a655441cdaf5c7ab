// SPDX-License-Identifier: MIT
// Numbers and bytes in the packets of a debugger.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vmstream {

/// Hexadecimal digits only, no sign, at most 64 bits.
std::optional<uint64_t> parse_hex(std::string_view text);
/// "ADDRESS,LENGTH"
struct AddressAndLength {
  uint64_t address = 0;
  uint64_t length = 0;
};
std::optional<AddressAndLength> parse_range(std::string_view text);
std::string digits_of(std::span<const std::byte> bytes);
std::string digits_of(std::string_view text);
/// The text behind pairs of digits; empty for what is none.
std::string text_of_hex(std::string_view digits);

}  // namespace vmstream
