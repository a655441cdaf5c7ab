// SPDX-License-Identifier: MIT
#include <vmstream/restore.h>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <vmstream/text.h>
#include "base/json.h"
#include "base/unique_fd.h"
#include "guest/monitor/qmp_address.h"
#include "io/fd.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr size_t kMostBytes = 64 << 10;  // of an answer
constexpr char kSentinel = '\xff';  // in no JSON text: what stands in front is of an earlier client
constexpr const char* kHowToHaveOne =
    "QEMU needs -device virtio-serial -chardev socket,path=SOCKET,server=on,wait=off,id=a -device "
    "virtserialport,chardev=a,name=org.qemu.guest_agent.0, and the guest a running qemu-ga";

// Nanoseconds since 1970.
int64_t now() {
  auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970).count();
}

class AgentSession {
 public:
  AgentSession(UniqueFd socket, WaitLimits limits) : socket_(std::move(socket)), limits_(limits) {}

  Status synchronise();
  Status execute(const char* command, const Json& arguments);

 private:
  Status send(const std::string& text);
  Result<std::string> read_line();
  Status drop_up_to_sentinel();
  Status receive();

  UniqueFd socket_;
  WaitLimits limits_;
  std::string received_;
};

Status AgentSession::send(const std::string& text) {
  return Writer(socket_.get()).write_all(std::as_bytes(std::span(text)), limits_);
}

Status AgentSession::receive() {
  std::array<std::byte, 4096> buffer;
  auto count = read_some(socket_.get(), buffer, limits_);
  if (!count) return count.error();
  if (*count == 0) return Error{Errc::Environment, "the guest agent's socket was closed"};
  if (received_.size() > kMostBytes) {
    return Error{Errc::Environment,
                 fmt::format("the guest agent sent an answer of more than {} bytes", kMostBytes)};
  }
  received_.append(reinterpret_cast<const char*>(buffer.data()), *count);
  return ok();
}

Result<std::string> AgentSession::read_line() {
  for (;;) {
    size_t end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    if (auto more = receive(); !more) return more.error();
  }
}

Status AgentSession::drop_up_to_sentinel() {
  for (;;) {
    size_t at = received_.find(kSentinel);
    received_.erase(0, at == std::string::npos ? at : at + 1);
    if (at != std::string::npos) return ok();
    if (auto more = receive(); !more) return more;
  }
}

// Until the answer is to this request: answers to clients before this one may still come.
Status AgentSession::synchronise() {
  int64_t id = now() & INT32_MAX;
  Json request{{"execute", "guest-sync-delimited"}, {"arguments", {{"id", id}}}};
  if (auto sent = send(kSentinel + to_text(request) + "\n"); !sent) return sent;
  for (;;) {
    if (auto marked = drop_up_to_sentinel(); !marked) return marked;
    auto line = read_line();
    if (!line) return line.error();
    auto answer = parse_object(*line);
    if (answer && number_member(*answer, "return") == static_cast<uint64_t>(id)) return ok();
  }
}

Status AgentSession::execute(const char* command, const Json& arguments) {
  Json request{{"execute", command}, {"arguments", arguments}};
  if (auto sent = send(to_text(request) + "\n"); !sent) return sent;
  auto line = read_line();
  if (!line) return line.error();
  auto answer = parse_object(*line);
  if (answer && find_member(*answer, "return")) return ok();
  const Json* error = answer ? find_member(*answer, "error") : nullptr;
  return Error{Errc::Environment, fmt::format("{}: {}", command,
                                              error ? escape(text_member(*error, "desc"))
                                                    : "the guest agent's answer is malformed")};
}

Status explain(Error error, const WaitLimits& given) {
  if (error.code != Errc::TimedOut) return error;
  if (check_limits(given, "the guest agent")) error.code = Errc::Environment;
  error.message = "the guest agent does not answer";
  error.hint = kHowToHaveOne;
  return error;
}

}  // namespace

Status set_guest_clock(const QmpAddress& agent, WaitLimits limits) {
  WaitLimits patience = limits;
  auto latest = Clock::now() + kPatience;
  patience.deadline = std::min(limits.deadline.value_or(latest), latest);
  auto socket = connect_socket(agent, patience);
  if (!socket) {
    Error error = socket.error();
    error.hint = kHowToHaveOne;
    return explain(error, limits);
  }
  AgentSession session(std::move(*socket), patience);
  if (auto met = session.synchronise(); !met) return explain(met.error(), limits);
  auto set = session.execute("guest-set-time", {{"time", now()}});
  return set ? set : explain(set.error(), limits);
}

}  // namespace vmstream
