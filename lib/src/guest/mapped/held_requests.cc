// SPDX-License-Identifier: MIT
#include "guest/mapped/held_requests.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

namespace vmstream {
namespace {

// By the signals that wait for it: "SigPnd:" has its own, "ShdPnd:" those of its process.
bool is_killed(pid_t thread) {
  std::ifstream status(fmt::format("/proc/{}/status", thread));
  constexpr unsigned long long kKill = 1ULL << (SIGKILL - 1);
  for (std::string line; std::getline(status, line);) {
    bool tells = line.starts_with("SigPnd:") || line.starts_with("ShdPnd:");
    if (tells && (std::strtoull(line.c_str() + 7, nullptr, 16) & kKill) != 0) return true;
  }
  return false;
}

}  // namespace

void HeldRequests::let_the_killed_go() {
  std::erase_if(held_, [](const PageRequest& request) {
    if (!is_killed(request.asker)) return false;
    request.refuse();
    return true;
  });
}

}  // namespace vmstream
