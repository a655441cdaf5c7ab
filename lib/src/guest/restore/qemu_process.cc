// SPDX-License-Identifier: MIT
// A QEMU of our own, to be fed.
#include <vmstream/restore.h>

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"
#include "io/child_process.h"

namespace vmstream {
namespace {

constexpr auto kEndPatience = std::chrono::seconds(2);
constexpr const char* kMonitorId = "vmstream-monitor";

// QEMU takes its options with one dash or two.
bool has_option(const std::vector<std::string>& argv, std::string_view option) {
  return std::any_of(argv.begin(), argv.end(), [option](std::string_view word) {
    if (word.starts_with("--")) word.remove_prefix(1);
    return word == option;
  });
}

void add_receiver(std::vector<std::string>& argv, int monitor_fd) {
  argv.insert(argv.end(), {"-incoming", "defer", "-chardev",
                           fmt::format("socket,id={},fd={}", kMonitorId, monitor_fd), "-mon",
                           fmt::format("chardev={},mode=control", kMonitorId)});
}

}  // namespace

bool starts_guest(const std::vector<std::string>& argv) {
  return !has_option(argv, "-S");
}

struct QemuProcess::State {
  State(ChildProcess process, const Cancellation* given, bool goes_on_alone)
      : child(std::move(process)), cancellation(given), daemon(goes_on_alone), id(child.pid()) {}

  ChildProcess child;
  const Cancellation* cancellation;
  bool daemon;  // -daemonize: QEMU is not `child`, which only starts it
  int id;
  bool released = false;
  std::optional<QmpClient> qmp = std::nullopt;

  Error explain_start(const Error& error);
  void end();
};

// The exit status says more than a monitor that closed.
Error QemuProcess::State::explain_start(const Error& error) {
  if (error.code != Errc::Environment) return error;
  auto status = child.wait({.deadline = Clock::now() + kEndPatience});
  if (!status) return error;
  return Error{
      .code = Errc::Environment,
      .message = fmt::format("QEMU ended with {} before it could take a guest", status->text()),
      .hint = "QEMU says why on stderr"};
}

// A daemon is no child of ours and has no pid that we know: it is asked to go.
void QemuProcess::State::end() {
  if (released) return;
  if (daemon && qmp) {
    qmp->set_limits({.deadline = Clock::now() + kEndPatience});
    [[maybe_unused]] auto asked = qmp->execute("quit");
  }
  child.end();
}

QemuProcess::QemuProcess(std::unique_ptr<State> state) : state_(std::move(state)) {}
QemuProcess::QemuProcess(QemuProcess&&) noexcept = default;
QemuProcess::~QemuProcess() {
  if (state_) state_->end();
}

Result<QemuProcess> QemuProcess::start(std::vector<std::string> argv, WaitLimits limits) {
  if (argv.empty()) return Error{Errc::Usage, "no command for QEMU"};
  if (has_option(argv, "-incoming")) {
    return Error{.code = Errc::Usage,
                 .message = "the command for QEMU has an -incoming of its own",
                 .hint = "leave it out: it is added"};
  }
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_error("socketpair", errno);
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  bool daemon = has_option(argv, "-daemonize");
  add_receiver(argv, theirs.get());
  auto child = ChildProcess::start(argv, {.kept_fds = {theirs.get()}, .inherit_stdio = true});
  if (!child) return child.error();
  theirs.reset();
  auto state = std::make_unique<State>(std::move(*child), limits.cancellation, daemon);
  auto client = QmpClient::adopt(ours.release(), limits);
  if (!client) {
    Error error = state->explain_start(client.error());
    state->end();
    return error;
  }
  state->qmp.emplace(std::move(*client));
  return QemuProcess(std::move(state));
}

QmpClient& QemuProcess::qmp() {
  return *state_->qmp;
}
int QemuProcess::pid() const {
  return state_->id;
}

Result<int> QemuProcess::wait() {
  State& state = *state_;
  if (state.daemon) state.released = true;  // it outlives us; its starter's status is what there is
  state.qmp.reset();
  auto status = state.child.wait({.cancellation = state.cancellation});
  if (!status) return status.error();
  return status->signal != 0 ? 128 + status->signal : status->code;
}

void QemuProcess::release() {
  state_->released = true;
  state_->child.release();
}

}  // namespace vmstream
