// SPDX-License-Identifier: MIT
// The plan is read before main() and is not changed any more; the counters are all that is shared.
#include "fault_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace faults {
namespace {

constexpr size_t kCalls = kCallNames.size();

struct Plan {
  pid_t pid = 0;  // of the program that the plan is for; 0: not this one
  char call[16] = "";
  unsigned number = 0;
  bool and_all_behind = false;
  char action[16] = "";
  long argument = 0;
  long victim = 0;
  const char* log = nullptr;
};

Plan g_plan;
std::array<std::atomic<unsigned>, kCalls> g_counts{};
std::atomic<bool> g_fired{false};

// Past the intercepted calls.
void append_to_log(const char* text, size_t length) {
  if (!g_plan.log) return;
  long fd = ::syscall(SYS_openat, AT_FDCWD, g_plan.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0) return;
  [[maybe_unused]] long written = ::syscall(SYS_write, fd, text, length);
  ::syscall(SYS_close, fd);
}

bool is_action(const char* name) {
  return std::strcmp(g_plan.action, name) == 0;
}

[[gnu::constructor]] void read_plan() {
  const char* text = std::getenv("VMSTREAM_FAULT");
  if (!text) return;
  Plan plan;
  char program[32] = "";
  char number[16] = "";
  char argument[32] = "";
  int fields = std::sscanf(text, "%31s %15s %15s %15s %31s", program, plan.call, number,
                           plan.action, argument);
  if (fields != 5 || std::strcmp(program, program_invocation_short_name) != 0) return;
  char* rest = nullptr;
  plan.number = static_cast<unsigned>(std::strtoul(number, &rest, 10));
  plan.and_all_behind = *rest == '+';
  plan.argument = std::strtol(argument, &rest, 10);
  if (*rest == ':') plan.victim = std::strtol(rest + 1, nullptr, 10);
  plan.log = std::getenv("VMSTREAM_FAULT_LOG");
  plan.pid = ::getpid();
  g_plan = plan;
}

[[gnu::destructor]] void report_counts() {
  if (g_plan.pid != ::getpid() || !is_action("count")) return;
  for (size_t i = 0; i < kCalls; ++i) {
    char line[64];
    int length =
        std::snprintf(line, sizeof line, "%s %u\n", kCallNames[i].data(), g_counts[i].load());
    append_to_log(line, static_cast<size_t>(length));
  }
}

bool is_due(Call call) {
  // A child between fork and exec still has this plan, but is another program.
  if (g_plan.pid == 0 || g_plan.pid != ::getpid()) return false;
  auto index = static_cast<size_t>(call);
  unsigned number = ++g_counts[index];
  if (kCallNames[index] != g_plan.call) return false;
  return number == g_plan.number || (g_plan.and_all_behind && number > g_plan.number);
}

}  // namespace

Verdict judge(Call call) {
  if (!is_due(call)) return Verdict::Real;
  if (!g_fired.exchange(true)) append_to_log("fired\n", 6);
  if (is_action("signal")) {
    ::kill(g_plan.victim != 0 ? static_cast<pid_t>(g_plan.victim) : ::getpid(),
           static_cast<int>(g_plan.argument));
  }
  if (is_action("delay")) {
    timespec time{g_plan.argument / 1000, g_plan.argument % 1000 * 1'000'000};
    ::nanosleep(&time, nullptr);
  }
  if (is_action("short")) return Verdict::Short;
  if (is_action("end")) return Verdict::End;
  if (!is_action("error")) return Verdict::Real;
  errno = static_cast<int>(g_plan.argument);
  return Verdict::Error;
}

long clock_jump_seconds() {
  return g_fired && is_action("jump") ? g_plan.argument : 0;
}

}  // namespace faults
