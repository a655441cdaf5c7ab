// SPDX-License-Identifier: MIT
#include "io/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/unique_fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kPatience = std::chrono::seconds(2);

// In the foreground of a terminal a command must stay in our process group, or it could not ask for
// a password there.
bool on_foreground_terminal() {
  UniqueFd terminal(::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return terminal.is_open() && ::tcgetpgrp(terminal.get()) == ::getpgrp();
}

ExitStatus decode(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {0, WTERMSIG(wait_status)};
  return {WEXITSTATUS(wait_status), 0};
}

// posix_spawn's two setup objects, freed together.
struct SpawnPlan {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }

  void connect(int fd, int as, int null_flags) {
    if (fd >= 0) {
      posix_spawn_file_actions_adddup2(&files, fd, as);
    } else {
      posix_spawn_file_actions_addopen(&files, as, "/dev/null", null_flags, 0);
    }
  }

  // Closes everything above stderr but `kept`.
  void close_others(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    int from = 3;
    for (int fd : kept) {
      for (int gap = from; gap < fd; ++gap) posix_spawn_file_actions_addclose(&files, gap);
      posix_spawn_file_actions_adddup2(&files, fd, fd);  // clears close-on-exec
      from = fd + 1;
    }
    posix_spawn_file_actions_addclosefrom_np(&files, from);
  }

  void reset_signals(bool lead_group) {
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (lead_group) flags |= POSIX_SPAWN_SETPGROUP;  // group 0: its own
    posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
  }
};

}  // namespace

std::string ExitStatus::text() const {
  if (signal == 0) return fmt::format("exit status {}", code);
  const char* name = ::sigdescr_np(signal);  // none for real-time signals
  return name ? fmt::format("signal {} ({})", signal, name) : fmt::format("signal {}", signal);
}

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& argv,
                                         const ChildSetup& setup) {
  SpawnPlan plan;
  bool lead_group = !setup.inherit_stdio && !on_foreground_terminal();
  plan.reset_signals(lead_group);
  if (!setup.inherit_stdio) {
    plan.connect(setup.stdin_fd, STDIN_FILENO, O_RDONLY);
    plan.connect(setup.stdout_fd, STDOUT_FILENO, O_WRONLY);
  }
  if (setup.stderr_fd >= 0) plan.connect(setup.stderr_fd, STDERR_FILENO, O_WRONLY);
  plan.close_others(setup.kept_fds);
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  int failed =
      ::posix_spawnp(&pid, arguments[0], &plan.files, &plan.attributes, arguments.data(), environ);
  if (failed != 0) return system_error(fmt::format("start '{}'", argv[0]), failed);
  return ChildProcess(pid, lead_group);
}

ChildProcess::~ChildProcess() {
  end();
}

Result<ExitStatus> ChildProcess::wait(const WaitLimits& limits) {
  // waitpid would take -1 for any child there is, and 0 for any of the group.
  if (!running()) return Error{Errc::Environment, "there is no command to wait for"};
  UniqueFd watch(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (watch.is_open()) {
    auto ended = wait_ready(watch.get(), POLLIN, limits, "a command to end");
    if (!ended) return ended.error();
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return system_error("waitpid", errno);
  }
  pid_ = -1;
  return decode(status);
}

void ChildProcess::signal(int number) const {
  ::kill(leads_group_ ? -pid_ : pid_, number);
}

void ChildProcess::end() {
  if (!running()) return;
  signal(SIGTERM);
  signal(SIGCONT);  // what is stopped would not see it
  if (wait({.deadline = Clock::now() + kPatience})) return;
  signal(SIGKILL);
  [[maybe_unused]] auto ended = wait({});
}

}  // namespace vmstream
