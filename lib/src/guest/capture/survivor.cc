// SPDX-License-Identifier: MIT
#include "guest/capture/survivor.h"

#include <fmt/format.h>

#include <chrono>

#include "io/fd.h"

namespace vmstream {
namespace {

// Stdin is the sign until it comes. A Ctrl-C at the terminal is not meant for the shell, and
// whoever reads our words shall not wait for it.
constexpr const char* kAwaitSign = "exec 2> /dev/null; trap '' INT HUP; read -r _; exec <&1\n";

// Tells its answers from those to commands that were under way.
constexpr const char* kId = "vmstream-last-will";

// $0 is the id, $1 the delay in seconds, the rest are the commands. The byte 255 makes QEMU forget
// a command that was cut in the middle. QEMU refuses most of them until its migration is over; one
// that it goes on to refuse shall not keep the others from it. What it does not find has been given
// back.
constexpr const char* kScript = R"(is_taken() {
  printf '%s\n' "$1"
  while read -r answer; do
    case $answer in
      *"$0"*"not found"* | *"not found"*"$0"*) return 0 ;;
      *"$0"*\"error\"* | *\"error\"*"$0"*) return 1 ;;
      *"$0"*) return 0 ;;
    esac
  done
  exit
}
sleep "$1"; shift
printf '\377\n'
tries=600
for command; do
  until is_taken "$command" || [ $((tries -= 1)) -le 0 ]; do sleep 0.1; done
done)";

// $0 is for how many tenths of a second it reads on.
constexpr const char* kReadIntoNowhere =
    R"(while cat > /dev/null; [ "$0" -gt $((i += 1)) ]; do sleep 0.1; done)";

std::string line_for(const QmpCommand& command) {
  return to_text({{"execute", command.name}, {"arguments", command.arguments}, {"id", kId}});
}

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

Result<Survivor> leave_drain(int descriptor, std::chrono::seconds latecomers) {
  auto tenths = std::chrono::duration_cast<std::chrono::duration<int, std::deci>>(latecomers);
  return Survivor::start(kReadIntoNowhere, descriptor, {fmt::format("{}", tenths.count())});
}

Result<Survivor> leave_last_will(const QmpClient& qmp, const std::vector<QmpCommand>& commands,
                                 Clock::duration delay) {
  double seconds = std::chrono::duration<double>(delay).count();
  std::vector<std::string> arguments{kId, fmt::format("{:.3f}", seconds)};
  for (const QmpCommand& command : commands) arguments.push_back(line_for(command));
  return Survivor::start(kScript, qmp.descriptor(), arguments);
}

}  // namespace vmstream
