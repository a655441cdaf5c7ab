// SPDX-License-Identifier: MIT
#include "guest/check/start_words.h"

#include <unistd.h>

#include <algorithm>
#include <array>

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

std::vector<std::string> words_for_common_end() {
  constexpr std::array kPlaces = {"/usr/bin/setpriv", "/bin/setpriv"};
  auto found =
      std::ranges::find_if(kPlaces, [](const char* path) { return ::access(path, X_OK) == 0; });
  if (found == kPlaces.end()) return {};
  return {*found, "--pdeathsig", "KILL", "--"};
}

}  // namespace vmstream
