// SPDX-License-Identifier: MIT
#include "common/json_values.h"

#include <cmath>

namespace vmtools {

double rounded(double seconds, int decimals) {
  double steps = std::pow(10, decimals);
  return std::round(seconds * steps) / steps;
}

}  // namespace vmtools
