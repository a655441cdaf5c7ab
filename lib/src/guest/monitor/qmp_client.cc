// SPDX-License-Identifier: MIT
#include <vmstream/qmp.h>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include <vmstream/text.h>
#include "base/json.h"
#include "guest/monitor/message_framer.h"
#include "guest/monitor/qmp_address.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr size_t kMaxQueuedEvents = 1024;  // a guest can cause events without end: keep the newest
constexpr auto kGreetingPatience = std::chrono::seconds(30);

Error closed_error() {
  return Error{Errc::Environment, "the monitor closed the connection: QEMU went away"};
}

bool is_unix_socket(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

std::string version_of(const Json& greeting) {
  const Json* outer = find_member(greeting, "version");
  const Json* qemu = outer ? find_member(*outer, "qemu") : nullptr;
  if (!qemu) return {};
  return fmt::format("{}.{}.{}", number_member(*qemu, "major").value_or(0),
                     number_member(*qemu, "minor").value_or(0),
                     number_member(*qemu, "micro").value_or(0));
}

// When an event happened.
double time_of(const Json& message) {
  const Json* stamp = find_member(message, "timestamp");
  if (!stamp) return 0;
  return static_cast<double>(number_member(*stamp, "seconds").value_or(0)) +
         1e-6 * static_cast<double>(number_member(*stamp, "microseconds").value_or(0));
}

// sendmsg() of the front of `text`; `pass_fd` goes along unless it is -1.
ssize_t send_some(int socket, std::string_view text, int pass_fd) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  if (pass_fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &pass_fd, sizeof pass_fd);
  }
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// How far a session has come that is not one yet.
enum class Stage { Connecting, Connected, Greeted };

// Whether QEMU is there is not known of a host that stays silent.
bool is_host_silent(const QmpAddress& address, Stage stage) {
  return address.kind == QmpAddress::Kind::Tcp && stage == Stage::Connecting;
}

// A QEMU greets on a thread of its own, and answers on the one that serves the guest's devices.
std::string describe_silence(const QmpAddress& address, Stage stage) {
  if (is_host_silent(address, stage)) return "no connection to " + to_text(address);
  return fmt::format("{} is there but {}", to_text(address),
                     stage == Stage::Greeted ? "does not answer" : "sends no greeting");
}

std::string reason_of_silence(const QmpAddress& address, Stage stage) {
  if (is_host_silent(address, stage)) return "the host is down, or a firewall drops what comes";
  return stage == Stage::Greeted
             ? "QEMU is busy, or waits for a page of a guest whose memory has not come"
             : "QEMU is busy, or another client holds this monitor";
}

Error explain_silence(Error error, const QmpAddress& address, const WaitLimits& limits,
                      Stage stage) {
  if (error.code != Errc::TimedOut) return error;
  if (!is_host_silent(address, stage)) error.message = describe_silence(address, stage);
  if (!limits.deadline) {
    error.code = Errc::Environment;
    error.message += fmt::format(", for {} s", kGreetingPatience.count());
  }
  error.hint = reason_of_silence(address, stage) + "; --timeout TIME waits longer";
  return error;
}

// A command whose answer nobody waits for.
struct Posted {
  uint64_t id = 0;
  std::string command;
  std::optional<Json> answer = std::nullopt;
};

}  // namespace

struct QmpClient::State {
  UniqueFd socket;
  WaitLimits limits;
  MessageFramer framer = {};
  std::deque<QmpEvent> events = {};
  std::string version = {};
  std::optional<Posted> posted = std::nullopt;
  uint64_t last_id = 0;
  std::optional<Error> broken = std::nullopt;  // the session cannot go on: every call says this

  Error breaks(Error error) { return broken.emplace(std::move(error)); }

  Result<bool> receive_some();
  Result<std::optional<Json>> take_message();
  Result<Json> await_message(const char* what);
  void keep(Json message);
  Status send_all(std::string_view text, int pass_fd);
  Status send(std::string_view command, std::string_view arguments, int pass_fd);
  Result<Json> await_answer();
  Result<std::string> result_of(std::string_view command, const Json& answer);
  Result<std::string> execute(std::string_view command, std::string_view arguments, int pass_fd);
  Status await_greeting();
};

// Takes what has come; false when that is nothing.
Result<bool> QmpClient::State::receive_some() {
  std::array<char, 16384> buffer;
  ssize_t count = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    framer.append({buffer.data(), static_cast<size_t>(count)});
    return true;
  }
  if (count == 0 || errno == ECONNRESET) return breaks(closed_error());
  if (errno == EAGAIN || errno == EINTR) return false;
  return breaks(system_error("read from the monitor", errno));
}

Result<std::optional<Json>> QmpClient::State::take_message() {
  auto text = framer.take();
  if (!text) return breaks(text.error());
  if (!*text) return std::optional<Json>();
  auto message = parse_object(**text);
  if (!message) return breaks(Error{Errc::Environment, "the monitor sent malformed JSON"});
  return message;
}

Result<Json> QmpClient::State::await_message(const char* what) {
  for (;;) {
    if (broken) return *broken;
    auto message = take_message();
    if (!message) return message.error();
    if (*message) return std::move(**message);
    auto ready = wait_ready(socket.get(), POLLIN, limits, what);
    if (!ready) return ready.error();
    if (auto received = receive_some(); !received) return received.error();
  }
}

// Whatever is not waited for: the answer to a posted command, an event, or of no use.
void QmpClient::State::keep(Json message) {
  if (posted && number_member(message, "id") == posted->id) {
    posted->answer = std::move(message);
    return;
  }
  std::string name = text_member(message, "event");
  if (name.empty()) return;
  if (events.size() == kMaxQueuedEvents) events.pop_front();
  const Json* details = find_member(message, "data");
  events.push_back({std::move(name), details ? to_text(*details) : "{}", time_of(message)});
}

Status QmpClient::State::send_all(std::string_view text, int pass_fd) {
  bool begun = false;
  while (!text.empty()) {
    auto ready = wait_ready(socket.get(), POLLOUT, limits, "the monitor to take a command");
    // A command that was cut in the middle would swallow the start of the next one.
    if (!ready) return begun ? breaks(ready.error()) : ready.error();
    ssize_t count = send_some(socket.get(), text, begun ? -1 : pass_fd);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0 && (errno == EPIPE || errno == ECONNRESET)) return breaks(closed_error());
    if (count < 0) return breaks(system_error("write to the monitor", errno));
    text.remove_prefix(static_cast<size_t>(count));
    begun = true;
  }
  return ok();
}

// The answer to the last command. Answers to earlier ones, whose waits were given up, are dropped;
// an error without an id is QEMU's way to say that it could not even parse the command.
Result<Json> QmpClient::State::await_answer() {
  for (;;) {
    auto message = await_message("the monitor's answer");
    if (!message) return message.error();
    if (number_member(*message, "id") == last_id) return message;
    if (find_member(*message, "error") && !find_member(*message, "id")) return message;
    keep(std::move(*message));
  }
}

Status QmpClient::State::send(std::string_view command, std::string_view arguments, int pass_fd) {
  if (broken) return *broken;
  Json request{{"execute", command}, {"id", ++last_id}};
  if (!arguments.empty()) {
    auto object = parse_object(arguments);
    if (!object) return Error{Errc::Usage, "the arguments of a command must be a JSON object"};
    request["arguments"] = std::move(*object);
  }
  return send_all(to_text(request) + "\r\n", pass_fd);
}

Result<std::string> QmpClient::State::result_of(std::string_view command, const Json& answer) {
  if (const Json* result = find_member(answer, "return")) return to_text(*result);
  const Json* error = find_member(answer, "error");
  if (!error) return breaks(Error{Errc::Environment, "the monitor gave an empty answer"});
  return Error{Errc::Environment,
               fmt::format("{}: {}", escape(command), escape(text_member(*error, "desc")))};
}

Result<std::string> QmpClient::State::execute(std::string_view command, std::string_view arguments,
                                              int pass_fd) {
  if (auto sent = send(command, arguments, pass_fd); !sent) return sent.error();
  auto answer = await_answer();
  if (!answer) return answer.error();
  return result_of(command, *answer);
}

Status QmpClient::State::await_greeting() {
  auto greeting = await_message("the monitor's greeting");
  if (!greeting) return greeting.error();
  const Json* qmp = find_member(*greeting, "QMP");
  if (!qmp) return breaks(Error{Errc::Environment, "the monitor did not greet as QMP does"});
  version = version_of(*qmp);
  if (auto done = execute("qmp_capabilities", {}, -1); !done) return done.error();
  return ok();
}

QmpClient::QmpClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
QmpClient::QmpClient(QmpClient&&) noexcept = default;
QmpClient& QmpClient::operator=(QmpClient&&) noexcept = default;
QmpClient::~QmpClient() = default;

Result<QmpClient> QmpClient::connect(const QmpAddress& address, WaitLimits limits,
                                     const OnLongWait& on_long_wait) {
  std::unique_ptr<State> state;
  auto stage = [&state] {
    if (!state) return Stage::Connecting;
    return state->version.empty() ? Stage::Connected : Stage::Greeted;
  };
  LongWait wait(limits, [&] {
    if (!on_long_wait) return;
    on_long_wait(fmt::format("{} yet ({}); waiting", describe_silence(address, stage()),
                             reason_of_silence(address, stage())));
  });
  WaitLimits patience = wait.limits();
  if (!patience.deadline) patience.deadline = Clock::now() + kGreetingPatience;
  auto socket = connect_socket(address, patience);
  if (!socket) return explain_silence(socket.error(), address, limits, stage());
  state = std::make_unique<State>(State{.socket = std::move(*socket), .limits = patience});
  if (auto greeted = state->await_greeting(); !greeted) {
    return explain_silence(greeted.error(), address, limits, stage());
  }
  state->limits = limits;
  return QmpClient(std::move(state));
}

Result<QmpClient> QmpClient::adopt(int owned_fd, WaitLimits limits) {
  auto state = std::make_unique<State>(State{.socket = UniqueFd(owned_fd), .limits = limits});
  if (auto greeted = state->await_greeting(); !greeted) return greeted.error();
  return QmpClient(std::move(state));
}

Result<std::string> QmpClient::execute(std::string_view command, std::string_view arguments,
                                       int pass_fd) {
  return state_->execute(command, arguments, pass_fd);
}

Status QmpClient::post(std::string_view command, std::string_view arguments) {
  if (state_->posted) return Error{Errc::Usage, "a posted command is still to be answered"};
  if (auto sent = state_->send(command, arguments, -1); !sent) return sent;
  state_->posted = Posted{.id = state_->last_id, .command = std::string(command)};
  return ok();
}

bool QmpClient::awaits_answer() const {
  return state_->posted.has_value();
}

Result<std::optional<std::string>> QmpClient::take_answer() {
  if (!state_->posted || !state_->posted->answer) return std::optional<std::string>();
  Posted posted = *std::exchange(state_->posted, std::nullopt);
  auto result = state_->result_of(posted.command, *posted.answer);
  if (!result) return result.error();
  return std::optional(std::move(*result));
}

Result<std::optional<QmpEvent>> QmpClient::take_event() {
  State& state = *state_;
  while (!state.broken) {
    auto message = state.take_message();
    if (!message) break;
    if (*message) {
      state.keep(std::move(**message));
    } else if (auto received = state.receive_some(); !received || !*received) {
      break;
    }
  }
  if (!state.events.empty()) {
    std::optional<QmpEvent> event(std::move(state.events.front()));
    state.events.pop_front();
    return event;
  }
  if (state.broken) return *state.broken;
  return std::optional<QmpEvent>();
}

void QmpClient::set_limits(WaitLimits limits) {
  state_->limits = limits;
}
int QmpClient::descriptor() const {
  return state_->socket.get();
}
bool QmpClient::can_pass_fds() const {
  return is_unix_socket(state_->socket.get());
}
const std::string& QmpClient::qemu_version() const {
  return state_->version;
}

}  // namespace vmstream
