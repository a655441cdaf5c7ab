// SPDX-License-Identifier: MIT
#include "guest/migration/migration_link.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/json.h"
#include "guest/monitor/qmp_address.h"
#include "guest/monitor/query.h"
#include "io/peer_user.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// A monitor serves one client at a time. What a process that was killed, or whose answer was lost,
// has left with QEMU is replaced by the next.
constexpr const char* kFdName = "vmstream";
constexpr const char* kUseUnixMonitor =
    "over a TCP monitor QEMU must run on this machine and see the same /tmp; a unix socket monitor "
    "has neither limit";
constexpr int kBacklog = 16;
constexpr auto kStatusInterval = std::chrono::milliseconds(100);

// Either end may be taken for either.
Result<PipeEnds> make_socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_error("socketpair", errno);
  }
  return PipeEnds{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

Result<MigrationLink> MigrationLink::open(QmpClient& qmp, Direction direction) {
  MigrationLink link(direction);
  auto opened = qmp.can_pass_fds() ? link.pass_end(qmp) : link.open_socket(qmp);
  if (!opened) return opened.error();
  return link;
}

Status MigrationLink::pass_end(QmpClient& qmp) {
  auto pipe = direction_ == Direction::BothWays ? make_socket_pair() : make_pipe();
  if (!pipe) return pipe.error();
  bool from_qemu = direction_ == Direction::FromQemu;
  UniqueFd theirs = std::move(from_qemu ? pipe->writer : pipe->reader);
  end_ = std::move(from_qemu ? pipe->reader : pipe->writer);
  auto passed = qmp.execute("getfd", to_text({{"fdname", kFdName}}), theirs.get());
  if (!passed) return passed.error();
  uri_ = fmt::format("fd:{}", kFdName);
  return ok();
}

// A QEMU of another user must reach the socket by name, and create it in the other direction. The
// kernel lists that name for all to see: the folder keeps them out, and who comes is asked.
Status MigrationLink::open_socket(const QmpClient& qmp) {
  auto user = find_tcp_peer_user(qmp.descriptor());
  if (!user) {
    return Error{.code = Errc::Environment,
                 .message = "whose QEMU it is cannot be told: " + user.error().message,
                 .hint = kUseUnixMonitor};
  }
  user_ = *user;
  bool from_qemu = direction_ == Direction::FromQemu;
  auto folder = PrivateFolder::create(user_, !from_qemu);
  if (!folder) return folder.error();
  folder_.emplace(std::move(*folder));
  uri_ = "unix:" + folder_->place();
  return from_qemu ? listen() : ok();
}

Status MigrationLink::listen() {
  auto where = unix_address(folder_->place());
  if (!where) return where.error();
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_.is_open()) return system_error("socket", errno);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*where), sizeof *where) != 0) {
    return system_error("bind", errno);
  }
  if (::chmod(folder_->place().c_str(), 0666) != 0) return system_error("chmod", errno);
  if (::listen(listener_.get(), kBacklog) != 0) return system_error("listen", errno);
  return ok();
}

Status MigrationLink::await_peer(QmpClient& qmp, const WaitLimits& limits) {
  if (end_.is_open()) return ok();
  if (direction_ == Direction::FromQemu) return accept(qmp, limits);
  QmpAddress peer;
  peer.path = folder_->place();
  auto connected = connect_socket(peer, limits);
  if (!connected) return no_connection(connected.error().message);
  if (take_peer(std::move(*connected))) return ok();
  return no_connection("it listens no more");
}

bool MigrationLink::take_peer(UniqueFd peer) {
  auto user = get_unix_peer_user(peer.get());
  if (!user) return false;
  if (*user != user_) stranger_ = *user;
  if (*user == user_) end_ = std::move(peer);
  return *user == user_;
}

Error MigrationLink::no_connection(const std::string& reason) const {
  std::string instead = stranger_ ? fmt::format("; a process of user {} did, wanted QEMU's user {}",
                                                *stranger_, user_)
                                  : std::string();
  return Error{.code = Errc::Environment,
               .message = fmt::format("QEMU did not connect for its stream: {}{}", reason, instead),
               .hint = kUseUnixMonitor};
}

// QEMU connects after it has answered `migrate`; that it could not is only seen in its status.
Status MigrationLink::accept(QmpClient& qmp, const WaitLimits& limits) {
  for (;;) {
    UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.is_open() && errno != EAGAIN && errno != EINTR) return system_error("accept", errno);
    if (peer.is_open() && take_peer(std::move(peer))) break;
    auto status = query_migration(qmp);
    if (!status) return status.error();
    if (status->is_over()) return no_connection(status->error);
    if (auto within = check_limits(limits, "QEMU to connect"); !within) return within;
    pollfd waiting{listener_.get(), POLLIN, 0};
    WaitLimits interval{limits.cancellation, Clock::now() + kStatusInterval};
    auto ready = wait_ready(std::span(&waiting, 1), interval, "QEMU to connect");
    if (!ready && ready.error().code != Errc::TimedOut) return ready;
  }
  listener_.reset();
  return ok();
}

void MigrationLink::forget(QmpClient& qmp) {
  [[maybe_unused]] auto closed = qmp.execute("closefd", to_text({{"fdname", kFdName}}));
}

}  // namespace vmstream
