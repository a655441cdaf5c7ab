// SPDX-License-Identifier: MIT
#include <algorithm>
#include <thread>

#include "pipeline/ordered_pipeline.h"

namespace vmstream {

unsigned count_threads(unsigned asked) {
  constexpr unsigned kMostThreads = 256;  // beyond, memory grows and speed does not
  unsigned count = asked == 0 ? std::thread::hardware_concurrency() : asked;
  return std::clamp(count, 1U, kMostThreads);
}

}  // namespace vmstream
