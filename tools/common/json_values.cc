// SPDX-License-Identifier: MIT
#include "common/json_values.h"

#include <fmt/format.h>

#include <cmath>

namespace vmtools {

double rounded(double seconds, int decimals) {
  double steps = std::pow(10, decimals);
  return std::round(seconds * steps) / steps;
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
