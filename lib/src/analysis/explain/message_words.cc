// SPDX-License-Identifier: MIT
#include "analysis/explain/message_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <vmstream/text.h>

namespace vmstream::analysis {

std::optional<Words> match_message(std::string_view pattern, std::string_view line) {
  Words words;
  size_t star = pattern.find('*');
  size_t at = line.find(pattern.substr(0, star));
  if (at == std::string_view::npos) return std::nullopt;
  at += std::min(star, pattern.size());
  while (star != std::string_view::npos) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    auto literal = pattern.substr(0, star);
    size_t end = literal.empty() ? line.size() : line.find(literal, at);
    if (end == std::string_view::npos) return std::nullopt;
    words.emplace_back(line.substr(at, end - at));
    at = end + literal.size();
  }
  return words;
}

std::string first_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

std::optional<uint32_t> parse_number(const std::string& text) {
  std::string digits = first_word(text);
  while (!digits.empty() && (digits.back() == '.' || digits.back() == ',')) digits.pop_back();
  auto value = parse_size(digits);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<uint32_t> parse_hex_number(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr size_t kShown = 16;
  auto front = bytes.first(std::min(kShown, bytes.size()));
  return fmt::format("{:02x}{}", fmt::join(front, " "), bytes.size() > kShown ? " …" : "");
}

}  // namespace vmstream::analysis
