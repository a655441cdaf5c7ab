// SPDX-License-Identifier: MIT
// How many of very many places are tried.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace testing {

/// The step from one place to the next: 1, all of them, but where the environment says otherwise,
/// as it does under sanitizers, which make each try slow. Odd, so that every bit has its turn.
inline size_t every() {
  const char* step = std::getenv("VMSTREAM_TEST_EVERY");
  return step ? std::strtoul(step, nullptr, 10) | 1 : 1;
}

}  // namespace testing
