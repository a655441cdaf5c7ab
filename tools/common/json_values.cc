// SPDX-License-Identifier: MIT
#include "common/json_values.h"

#include <fmt/format.h>

#include <cmath>

namespace vmtools {

double rounded(double seconds, int decimals) {
  double steps = std::pow(10, decimals);
  return std::round(seconds * steps) / steps;
}

uint64_t whole(double measured) {
  constexpr double kEnd = 18446744073709551616.0;  // 2^64
  if (!(measured > 0)) return 0;
  return measured < kEnd ? static_cast<uint64_t>(measured) : UINT64_MAX;
}

std::string uuid_text(const std::array<std::byte, 16>& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    bool dash = i == 4 || i == 6 || i == 8 || i == 10;
    text += fmt::format("{}{:02x}", dash ? "-" : "", std::to_integer<unsigned>(uuid[i]));
  }
  return text;
}

}  // namespace vmtools
