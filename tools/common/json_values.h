// SPDX-License-Identifier: MIT
// Values as all tools show them in JSON.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace vmtools {

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
