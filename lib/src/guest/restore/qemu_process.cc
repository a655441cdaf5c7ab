// SPDX-License-Identifier: MIT
// A QEMU of our own, to be fed.
#include <vmstream/restore.h>

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

#include "base/unique_fd.h"
#include "io/child_process.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kEndPatience = std::chrono::seconds(2);
constexpr const char* kMonitorId = "vmstream-monitor";
constexpr const char* kNoAnswerYet =
    "no QEMU has answered yet; if this is a script, it must pass its arguments on (\"$@\")";

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

namespace {

constexpr std::array kDiskOptions = {"-hda", "-hdb", "-hdc", "-hdd"};
constexpr std::array kFileKeys = {"file=", "filename=", "file.filename="};

// Those of -drive and -blockdev that can be written to: only they are opened again.
std::string_view file_of(std::string_view value) {
  bool is_read_only = value.find("readonly=on") != std::string_view::npos ||
                      value.find("read-only=on") != std::string_view::npos;
  while (!value.empty() && !is_read_only) {
    auto item = value.substr(0, value.find(','));
    for (std::string_view key : kFileKeys) {
      if (item.starts_with(key)) return item.substr(key.size());
    }
    value.remove_prefix(std::min(item.size() + 1, value.size()));
  }
  return {};
}

}  // namespace

std::vector<std::string> misnamed_disks(const std::vector<std::string>& argv) {
  std::vector<std::string> found;
  if (!has_option(argv, "-daemonize")) return found;
  for (size_t i = 1; i < argv.size(); ++i) {
    bool is_name = std::ranges::find(kDiskOptions, argv[i - 1]) != kDiskOptions.end();
    std::string name(is_name ? argv[i] : file_of(argv[i]));
    std::error_code none;
    bool is_relative = !name.empty() && !name.starts_with('/');
    if (is_relative && std::filesystem::exists(name, none)) found.push_back(name);
  }
  return found;
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
      .hint =
          "QEMU says why on stderr; a lock that it cannot get is held by a guest that still "
          "runs, perhaps the one that was saved"};
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

Result<QemuProcess> QemuProcess::start(std::vector<std::string> argv, WaitLimits limits,
                                       const QemuSetup& setup) {
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
  std::vector<int> kept_fds = setup.kept_fds;
  kept_fds.push_back(theirs.get());
  auto child = ChildProcess::start(argv, {.kept_fds = kept_fds, .inherit_stdio = true});
  if (!child) return child.error();
  theirs.reset();
  auto state = std::make_unique<State>(std::move(*child), limits.cancellation, daemon);
  LongWait wait(limits, [&setup] {
    if (setup.on_long_wait) setup.on_long_wait(kNoAnswerYet);
  });
  auto client = QmpClient::adopt(ours.release(), wait.limits());
  if (!client) {
    Error error = state->explain_start(client.error());
    state->end();
    return error;
  }
  client->set_limits(limits);
  state->qmp.emplace(std::move(*client));
  return QemuProcess(std::move(state));
}

QmpClient& QemuProcess::qmp() {
  return *state_->qmp;
}
int QemuProcess::pid() const {
  return state_->id;
}

Result<int> QemuProcess::wait(const std::function<void()>& meanwhile) {
  State& state = *state_;
  if (state.daemon) state.released = true;  // it outlives us; its starter's status is what there is
  state.qmp.reset();
  auto status = state.child.wait(
      {.cancellation = state.cancellation, .meanwhile = meanwhile ? &meanwhile : nullptr});
  if (!status) return status.error();
  return status->signal != 0 ? 128 + status->signal : status->code;
}

void QemuProcess::kill() {
  if (state_->child.running()) ::kill(state_->child.pid(), SIGKILL);
}

void QemuProcess::release() {
  state_->released = true;
  state_->child.release();
}

}  // namespace vmstream
