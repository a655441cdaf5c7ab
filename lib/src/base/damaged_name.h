// SPDX-License-Identifier: MIT
// Names that are nearly others: what a damaged byte makes of a name that is known.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string_view>

namespace vmstream {

/// Names that a QEMU gives are ASCII without control characters.
inline bool is_printable(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7f; });
}

/// Whether the names differ in one letter.
inline bool is_one_letter_off(std::string_view name, std::string_view known) {
  if (name.size() != known.size()) return false;
  size_t differing = 0;
  for (size_t i = 0; i < known.size(); ++i) differing += name[i] != known[i];
  return differing == 1;
}

/// Whether the names differ in one bit.
inline bool is_one_bit_off(std::string_view name, std::string_view known) {
  if (!is_one_letter_off(name, known)) return false;
  auto [here, there] = std::ranges::mismatch(name, known);
  return std::has_single_bit(static_cast<unsigned char>(*here ^ *there));
}

/// The same of names of models, where a digit in place of another one may be another model.
inline bool is_damaged_model(std::string_view name, std::string_view known) {
  if (!is_one_bit_off(name, known)) return false;
  auto [here, there] = std::ranges::mismatch(name, known);
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !(is_digit(*here) && is_digit(*there));
}

}  // namespace vmstream
