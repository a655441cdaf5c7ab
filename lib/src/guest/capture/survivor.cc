// SPDX-License-Identifier: MIT
#include "guest/capture/survivor.h"

#include "io/fd.h"

namespace vmstream {
namespace {

// Stdin is the sign until it comes. A Ctrl-C at the terminal is not meant for the shell, and
// whoever reads our words shall not wait for it.
constexpr const char* kAwaitSign = "exec 2> /dev/null; trap '' INT HUP; read -r _; exec <&1\n";

}  // namespace

Result<Survivor> Survivor::start(const std::string& script, int descriptor,
                                 const std::vector<std::string>& arguments) {
  auto sign = make_pipe();
  if (!sign) return sign.error();
  std::vector<std::string> argv{"sh", "-c", kAwaitSign + script};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto shell = ChildProcess::start(argv, {.stdin_fd = sign->reader.get(), .stdout_fd = descriptor});
  if (!shell) return shell.error();
  return Survivor(std::move(sign->writer), std::move(*shell));
}

Status Survivor::act(const WaitLimits& limits) {
  alive_.reset();
  auto ended = shell_.wait(limits);
  return ended ? ok() : Status(ended.error());
}

void Survivor::take_over() {
  alive_.reset();
  shell_.release();
}

}  // namespace vmstream
