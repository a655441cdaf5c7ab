// SPDX-License-Identifier: MIT
#include "analysis/explain/message_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace vmstream {
namespace {

constexpr std::string_view kMarks = "*@#";
// More than any name that a message holds.
constexpr size_t kLongestWord = 1024;

bool is_printable(char c) {
  return c >= 0x20 && c < 0x7f;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_number_part(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == 'x' || c == '-';
}

// Bytes of `text` that stand for `mark`, with `literal` behind it in the pattern.
std::optional<size_t> length_of_mark(char mark, std::string_view literal, std::string_view text) {
  auto near = text.substr(0, kLongestWord);
  if (mark == '*') {
    size_t end = literal.empty() ? near.size() : near.find(literal);
    return end == std::string_view::npos ? std::nullopt : std::optional(end);
  }
  size_t end =
      mark == '#'
          ? static_cast<size_t>(std::ranges::find_if_not(near, is_number_part) - near.begin())
          : std::min(near.find(' '), near.size());
  if (mark == '@' && !literal.empty()) {
    end = near.substr(0, end + literal.size()).find(literal);
    if (end == std::string_view::npos) return std::nullopt;
  }
  return end == 0 ? std::nullopt : std::optional(end);
}

bool is_program(std::string_view word) {
  if (!word.ends_with(':')) return false;
  word.remove_suffix(1);
  word.remove_prefix(std::min(word.rfind('/') + 1, word.size()));
  return word == "kvm" || word == "QEMU" || word == "qemu" || word.starts_with("qemu-");
}

// Such as 2026-11-30T09:47:15.123456Z
bool is_time(std::string_view word) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (word.size() < kForm.size()) return false;
  return std::ranges::equal(kForm, word.substr(0, kForm.size()), [](char form, char c) {
    return form == '0' ? is_digit(c) : form == c;
  });
}

// A text of words takes no more than the words.
std::string with_single_spaces(std::string_view line) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (c == '\\' && i + 1 < line.size() && line[i + 1] == '"') continue;  // out of JSON
    if (c != ' ' && c != '\t') {
      text += c;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

void split_line(std::string_view line, std::vector<Statement>& statements) {
  std::string text = with_single_spaces(line);
  Statement open{.text = {}, .opens_line = true};
  auto cut = [&](bool before_name) {
    open.before_name = before_name;
    if (!open.text.empty()) statements.push_back(std::move(open));
    open = {};
  };
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t end = std::min(rest.find(' '), rest.size());
    auto word = rest.substr(0, end);
    if (is_program(word) || is_time(word)) {
      cut(true);
    } else {
      open.text += open.text.empty() ? "" : " ";
      open.text += word;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  cut(false);
}

}  // namespace

std::optional<MessageMatch> match_front(std::string_view pattern, std::string_view text) {
  MessageMatch match;
  size_t mark = 0;
  for (;;) {
    mark = std::min(pattern.find_first_of(kMarks), pattern.size());
    if (!text.substr(match.length).starts_with(pattern.substr(0, mark))) return std::nullopt;
    match.length += mark;
    if (mark == pattern.size()) return match;
    char kind = pattern[mark];
    pattern.remove_prefix(mark + 1);
    auto literal = pattern.substr(0, pattern.find_first_of(kMarks));
    auto length = length_of_mark(kind, literal, text.substr(match.length));
    if (!length) return std::nullopt;
    match.words.emplace_back(text.substr(match.length, *length));
    match.length += *length;
  }
}

std::vector<Statement> split_statements(std::string_view text) {
  std::vector<Statement> statements;
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of("\r\n"), text.size());
    split_line(text.substr(0, end), statements);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return statements;
}

std::string first_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

std::optional<uint64_t> parse_number(std::string_view text) {
  if (text.starts_with("0x")) return parse_hex_number(text);
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? uint64_t{0} - value : value;
}

std::optional<uint64_t> parse_hex_number(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint32_t> parse_number32(std::string_view text) {
  auto number = parse_number(text);
  if (!number) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

bool prints_as(std::string_view name, std::string_view text) {
  if (name == text) return true;
  auto plain = [](std::string_view all) {
    std::string kept(all.substr(0, all.find('\0')));
    std::erase_if(kept, [](char c) { return !is_printable(c) || c == '?'; });
    return kept;
  };
  std::string kept = plain(name);
  return !kept.empty() && kept == plain(text);
}

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr size_t kShown = 16;
  auto front = bytes.first(std::min(kShown, bytes.size()));
  return fmt::format("{:02x}{}", fmt::join(front, " "), bytes.size() > kShown ? " …" : "");
}

}  // namespace vmstream
