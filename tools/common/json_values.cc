// SPDX-License-Identifier: MIT
#include "common/json_values.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <cmath>
#include <ctime>

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

std::string date_text(int64_t seconds, char between) {
  constexpr int64_t kLast = 253'402'300'799;
  constexpr int64_t kFirst = -62'167'219'200;
  auto time = fmt::gmtime(static_cast<std::time_t>(std::clamp(seconds, kFirst, kLast)));
  return fmt::format("{:%Y-%m-%d}{}{:%H:%M:%S}", time, between, time);
}

}  // namespace vmtools
