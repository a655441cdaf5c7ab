// SPDX-License-Identifier: MIT
#include "guest/capture/last_will.h"

#include <fmt/format.h>

#include <chrono>

namespace vmstream {
namespace {

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

std::string line_for(const QmpCommand& command) {
  return to_text({{"execute", command.name}, {"arguments", command.arguments}, {"id", kId}});
}

}  // namespace

Result<Survivor> leave_last_will(const QmpClient& qmp, const std::vector<QmpCommand>& commands,
                                 Clock::duration delay) {
  double seconds = std::chrono::duration<double>(delay).count();
  std::vector<std::string> arguments{kId, fmt::format("{:.3f}", seconds)};
  for (const QmpCommand& command : commands) arguments.push_back(line_for(command));
  return Survivor::start(kScript, qmp.descriptor(), arguments);
}

}  // namespace vmstream
