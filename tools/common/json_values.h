// SPDX-License-Identifier: MIT
// Values as all tools show them in JSON.
#pragma once

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

// Decimals of seconds.
inline constexpr int kMilliseconds = 3;
inline constexpr int kMicroseconds = 6;
double rounded(double seconds, int decimals = kMilliseconds);

}  // namespace vmtools
