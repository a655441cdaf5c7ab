// SPDX-License-Identifier: MIT
// JSON as all tools write it. Readers that keep numbers as doubles (jq 1.6, JavaScript) round those
// above 2^53: every integer that can be larger has its hexadecimal text beside it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>
#include <nlohmann/json_fwd.hpp>

namespace vmtools {

/// Whether an integer of this name can be larger than 2^53: offsets, lengths, sizes, addresses,
/// nanoseconds, counts of bytes, and the counts of pages that are made from a length alone.
bool is_wide_name(std::string_view name);

/// `value` with `indent` columns a level; on one line where that is negative. Behind an integer
/// NAME of a wide name follows its text, "NAME_hex": "0x…". Behind a "value" whose integers have
/// eight bytes, by the "size" and "array_len" of the same object, follows "hex", of the same shape;
/// negative ones are shown as their 64 bits. Text that is no UTF-8 is shown with U+FFFD.
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

/// Null for a text that is not known, which is empty then.
inline nlohmann::ordered_json or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

template <typename T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

/// "2026-11-21T10:00:00", of seconds since 1970; years beyond 9999 are given as the last second.
std::string date_text(int64_t seconds, char between = 'T');

/// The whole part of what was measured; the ends of 64 bits for what these do not hold.
uint64_t whole(double measured);

// Decimals of seconds.
inline constexpr int kMilliseconds = 3;
inline constexpr int kMicroseconds = 6;
double rounded(double seconds, int decimals = kMilliseconds);

}  // namespace vmtools
