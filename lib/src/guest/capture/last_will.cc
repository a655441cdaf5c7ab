// SPDX-License-Identifier: MIT
#include "guest/capture/last_will.h"

#include "base/unique_fd.h"

namespace vmstream {
namespace {

// Tells its answers from those to commands that were under way.
constexpr const char* kId = "vmstream-last-will";

// Stdin is the sign, stdout the monitor, $0 the id, the rest are the commands. The byte 255 makes
// QEMU forget a command that was cut in the middle. QEMU refuses most of them until its migration
// is over; one that it goes on to refuse shall not keep the others from it. What it does not find
// has been given back. A Ctrl-C at the terminal is not meant for this process.
constexpr const char* kScript = R"(exec 2> /dev/null; trap '' INT HUP; read -r _; exec <&1
is_taken() {
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
printf '\377\n'
tries=600
for command; do
  until is_taken "$command" || [ $((tries -= 1)) -le 0 ]; do sleep 0.1; done
done)";

std::string line_for(const QmpCommand& command) {
  return to_text({{"execute", command.name}, {"arguments", command.arguments}, {"id", kId}});
}

}  // namespace

Result<LastWill> LastWill::leave(const QmpClient& qmp, const std::vector<QmpCommand>& commands) {
  auto sign = make_pipe();
  if (!sign) return sign.error();
  std::vector<std::string> argv{"sh", "-c", kScript, kId};
  for (const QmpCommand& command : commands) argv.push_back(line_for(command));
  auto executor =
      ChildProcess::start(argv, {.stdin_fd = sign->reader.get(), .stdout_fd = qmp.descriptor()});
  if (!executor) return executor.error();
  return LastWill(std::move(sign->writer), std::move(*executor));
}

Status LastWill::carry_out(const WaitLimits& limits) {
  alive_.reset();
  auto ended = executor_.wait(limits);
  return ended ? ok() : Status(ended.error());
}

void LastWill::take_over() {
  alive_.reset();
  executor_.release();
}

}  // namespace vmstream
