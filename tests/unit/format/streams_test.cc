// SPDX-License-Identifier: MIT
// Checks every capture of a folder: streams_test FOLDER. Exits with 77 when there is no such
// folder.
#include <cstdio>

#include "support/capture_check.h"

namespace {
constexpr int kSkipped = 77;
}

int main(int argc, char** argv) {
  std::string folder = argc > 1 ? argv[1] : "";
  auto names = testing::list_captures(folder);
  if (names.empty()) {
    std::printf("no captures in '%s'\n", folder.c_str());
    return kSkipped;
  }
  size_t bad = 0;
  for (const auto& name : names) {
    auto faults = testing::check_capture(folder, name);
    if (!faults.empty()) ++bad;
    std::printf("%-4s %s\n", faults.empty() ? "ok" : "BAD", name.c_str());
    for (const auto& fault : faults) std::printf("     %s\n", fault.c_str());
  }
  std::printf("%zu captures, %zu bad\n", names.size(), bad);
  return bad == 0 ? 0 : 1;
}
