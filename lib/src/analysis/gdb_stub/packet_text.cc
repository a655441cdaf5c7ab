// SPDX-License-Identifier: MIT
#include "analysis/gdb_stub/packet_text.h"

#include <charconv>

namespace vmstream {

std::optional<uint64_t> parse_hex(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, value, 16);
  if (text.empty() || failure != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::optional<AddressAndLength> parse_range(std::string_view text) {
  size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  auto address = parse_hex(text.substr(0, comma));
  auto length = parse_hex(text.substr(comma + 1));
  if (!address || !length) return std::nullopt;
  return AddressAndLength{*address, *length};
}

std::string digits_of(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (std::byte byte : bytes) {
    text += kDigits[std::to_integer<size_t>(byte >> 4)];
    text += kDigits[std::to_integer<size_t>(byte & std::byte{15})];
  }
  return text;
}

std::string digits_of(std::string_view text) {
  return digits_of(std::as_bytes(std::span(text)));
}

std::string text_of_hex(std::string_view digits) {
  std::string text;
  if (digits.size() % 2 != 0) return text;
  for (size_t i = 0; i < digits.size(); i += 2) {
    auto byte = parse_hex(digits.substr(i, 2));
    if (!byte) return {};
    text += static_cast<char>(*byte);
  }
  return text;
}

}  // namespace vmstream
