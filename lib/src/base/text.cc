// SPDX-License-Identifier: MIT
// Sizes, rates, times and the escaping of untrusted text.
#include <vmstream/text.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace vmstream {
namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`; 0 if there is none.
size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(0);
  size_t length = lead < 0x80   ? 1
                  : lead < 0xc2 ? 0
                  : lead < 0xe0 ? 2
                  : lead < 0xf0 ? 3
                  : lead < 0xf5 ? 4
                                : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and code points past U+10FFFF.
  if (length == 3 && ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)))
    return 0;
  if (length == 4 && ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)))
    return 0;
  return length;
}

// Control characters of both sets, and the marks that turn the direction of text around.
bool is_unsafe(std::string_view sequence) {
  unsigned char lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead < 0x20 || lead == 0x7f || lead == '\\';
  if (sequence.size() == 2) return lead == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
  return sequence.starts_with("\xe2\x80") || sequence.starts_with("\xe2\x81");
}

struct Number {
  uint64_t whole = 0;
  std::string_view fraction = {};  // digits
  std::string_view unit = {};
};

// The digits that `text` begins with, which are taken off.
std::string_view take_digits(std::string_view& text) {
  size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  auto digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// Splits "1.5GiB" into 1, "5" and "GiB". Hexadecimal numbers carry no fraction.
Result<Number> split_number(std::string_view text, std::string_view what) {
  Number number;
  Error unfit{Errc::Usage, fmt::format("'{}' is not {}", escape(text), what)};
  std::from_chars_result parsed{};
  if (text.starts_with("0x") || text.starts_with("0X")) {
    const char* end = text.data() + text.size();
    parsed = std::from_chars(text.data() + 2, end, number.whole, 16);
    number.unit = {parsed.ptr, static_cast<size_t>(end - parsed.ptr)};
  } else {
    auto whole = take_digits(text);
    if (text.starts_with('.')) {
      text.remove_prefix(1);
      number.fraction = take_digits(text);
    }
    if (whole.empty() && number.fraction.empty()) return unfit;
    if (whole.empty()) whole = "0";
    parsed = std::from_chars(whole.data(), whole.data() + whole.size(), number.whole);
    number.unit = text;
  }
  if (parsed.ec != std::errc{}) return unfit;
  return number;
}

// The number of units of `factor` as a whole number, rounded down: exact, where a double would keep
// 53 bits. Empty beyond `most`. `factor` is at most 2^60.
std::optional<uint64_t> scale(const Number& number, uint64_t factor, uint64_t most) {
  uint64_t part = 0;
  for (auto digit = number.fraction.rbegin(); digit != number.fraction.rend(); ++digit) {
    part = (part + static_cast<uint64_t>(*digit - '0') * factor) / 10;
  }
  if (part > most || number.whole > (most - part) / factor) return std::nullopt;
  return number.whole * factor + part;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    size_t length = utf8_length(text);
    auto sequence = text.substr(0, length == 0 ? 1 : length);
    if (sequence == "\\") {
      safe += "\\\\";
    } else if (length == 0 || is_unsafe(sequence)) {
      for (char c : sequence) safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      safe += sequence;
    }
    text.remove_prefix(sequence.size());
  }
  return safe;
}

Result<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kWhat = "a size such as 4096, 0x1000, 512K or 1.5GiB";
  auto number = split_number(text, kWhat);
  if (!number) return number.error();
  auto unit = number->unit;
  uint64_t factor = 1;
  if (!unit.empty() && unit != "B") {
    constexpr std::string_view kPrefixes = "KMGTPE";
    char prefix = unit[0] == 'k' ? 'K' : unit[0];
    size_t power = kPrefixes.find(prefix);
    auto rest = unit.substr(1);
    if (power == std::string_view::npos || !(rest.empty() || rest == "iB")) {
      return Error{Errc::Usage, fmt::format("'{}' is not {}", escape(text), kWhat)};
    }
    factor = uint64_t{1} << (10 * (power + 1));
  }
  constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();
  auto bytes = scale(*number, factor, kMostBytes);
  if (!bytes) return Error{Errc::Usage, fmt::format("'{}' is too large a size", escape(text))};
  return *bytes;
}

Result<uint64_t> parse_rate(std::string_view text) {
  auto size = text;
  if (size.ends_with("/s")) size.remove_suffix(2);
  auto rate = parse_size(size);
  if (!rate) {
    return Error{Errc::Usage,
                 fmt::format("'{}' is not a rate such as 100M/s or 1GiB/s", escape(text))};
  }
  return rate;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::string_view kWhat = "a time such as 250ms, 30s, 2min or 1h";
  auto number = split_number(text, kWhat);
  if (!number) return number.error();
  struct Unit {
    std::string_view name;
    uint64_t milliseconds;
  };
  constexpr std::array<Unit, 5> kUnits{
      {{"ms", 1}, {"s", 1000}, {"", 1000}, {"min", 60'000}, {"h", 3'600'000}}};
  constexpr uint64_t kMostMilliseconds = 1'000'000'000'000'000;
  for (const Unit& unit : kUnits) {
    if (number->unit != unit.name) continue;
    auto milliseconds = scale(*number, unit.milliseconds, kMostMilliseconds);
    if (milliseconds) return std::chrono::milliseconds(static_cast<int64_t>(*milliseconds));
    return Error{Errc::Usage, fmt::format("'{}' is too long a time", escape(text))};
  }
  return Error{Errc::Usage, fmt::format("'{}' is not {}", escape(text), kWhat)};
}

std::string format_size(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  constexpr std::array<std::string_view, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::string format_duration(std::chrono::seconds seconds) {
  auto total = seconds.count();
  if (total >= 3600) {
    return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  }
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::string uuid_text(const std::array<std::byte, 16>& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    bool dash = i == 4 || i == 6 || i == 8 || i == 10;
    text += fmt::format("{}{:02x}", dash ? "-" : "", std::to_integer<unsigned>(uuid[i]));
  }
  return text;
}

}  // namespace vmstream
