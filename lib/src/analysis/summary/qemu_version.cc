// SPDX-License-Identifier: MIT
#include <vmstream/stream_summary.h>

#include <fmt/format.h>

#include <charconv>

namespace vmstream {
namespace {

std::optional<uint32_t> parse_number(std::string_view digits) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string to_string(QemuVersion version) {
  return fmt::format("{}.{}", version.major, version.minor);
}

std::optional<QemuVersion> version_of_machine(std::string_view machine) {
  size_t dash = machine.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto tail = machine.substr(dash + 1);
  size_t dot = tail.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  auto major = parse_number(tail.substr(0, dot));
  auto minor = parse_number(tail.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  return QemuVersion{*major, *minor};
}

void QemuVersionRange::at_least(QemuVersion version, std::string_view clue) {
  if (lowest_ && *lowest_ >= version) return;
  lowest_ = version;
  lowest_clue_ = clue;
}

void QemuVersionRange::at_most(QemuVersion version, std::string_view clue) {
  if (highest_ && *highest_ <= version) return;
  highest_ = version;
  highest_clue_ = clue;
}

std::vector<std::string> QemuVersionRange::because() const {
  std::vector<std::string> clues;
  if (lowest_) clues.push_back(lowest_clue_);
  if (highest_) clues.push_back(highest_clue_);
  return clues;
}

}  // namespace vmstream
