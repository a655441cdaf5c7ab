// SPDX-License-Identifier: MIT
#include "guest/check/own_network.h"

#include <unistd.h>

#include "io/child_process.h"

namespace vmstream {

std::optional<std::vector<std::string>> words_for_own_network(const WaitLimits& limits) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return std::nullopt;
  std::vector<std::string> words = {"unshare", "--net"};
  if (::geteuid() != 0) words.emplace_back("--map-root-user");
  words.emplace_back("--");
  std::vector<std::string> trial = words;
  trial.emplace_back("true");
  auto child = ChildProcess::start(trial, {});
  if (!child) return std::nullopt;
  auto ended = child->wait(limits);
  return ended && ended->success() ? std::optional(words) : std::nullopt;
}

}  // namespace vmstream
