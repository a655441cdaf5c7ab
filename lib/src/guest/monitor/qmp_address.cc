// SPDX-License-Identifier: MIT
#include "guest/monitor/qmp_address.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <vmstream/text.h>
#include "io/wait.h"
#include "pipeline/call_apart.h"

namespace vmstream {
namespace {

constexpr auto kRetryInterval = std::chrono::milliseconds(50);

Error bad_address(std::string_view text, std::string_view why) {
  return Error{.code = Errc::Usage,
               .message = fmt::format("monitor address '{}': {}", escape(text), why),
               .hint = "addresses are PATH, unix:PATH or tcp:HOST:PORT"};
}

// Who would be let in.
std::string hint_for_closed(const std::string& path) {
  struct stat socket {};
  if (::stat(path.c_str(), &socket) != 0) {
    return "a folder on the way to it is closed to this user: run this as root or as QEMU's user";
  }
  return fmt::format("the socket belongs to user {0}: run this as root, or by sudo -u '#{0}'",
                     socket.st_uid);
}

bool is_no_socket(const std::string& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode);
}

std::string hint_for(const QmpAddress& address, int error_number) {
  bool is_unix = address.kind == QmpAddress::Kind::Unix;
  if (is_unix && (error_number == EACCES || error_number == EPERM)) {
    return hint_for_closed(address.path);
  }
  if (is_unix && is_no_socket(address.path)) return "there is something else than a socket";
  return fmt::format("is QEMU running with -qmp {},server=on,wait=off ?", to_text(address));
}

Error connect_error(const QmpAddress& address, int error_number) {
  Error error = system_error("connect to " + to_text(address), error_number);
  error.hint = hint_for(address, error_number);
  return error;
}

// Finishes a connect() that was begun without blocking; the errno of its outcome.
Result<int> await_connect(int fd, const WaitLimits& limits) {
  auto ready = wait_ready(fd, POLLOUT, limits, "the monitor's socket");
  if (!ready) return ready.error();
  int outcome = 0;
  socklen_t size = sizeof outcome;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) return errno;
  return outcome;
}

// The errno of connecting `fd`, 0 for success.
Result<int> try_connect(int fd, const sockaddr* where, socklen_t size, const WaitLimits& limits) {
  for (;;) {
    if (::connect(fd, where, size) == 0) return 0;
    if (errno == EINPROGRESS || errno == EINTR) return await_connect(fd, limits);
    if (errno != EAGAIN) return errno;
    // A unix socket whose queue is full: QEMU serves one client and lets one more wait.
    if (limits.meanwhile) (*limits.meanwhile)();
    auto waited = pause_within(kRetryInterval, limits, "the monitor's socket");
    if (!waited) return waited.error();
  }
}

Result<UniqueFd> open_and_connect(int family, const sockaddr* where, socklen_t size,
                                  const QmpAddress& address, const WaitLimits& limits) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return system_error("socket", errno);
  auto outcome = try_connect(fd.get(), where, size, limits);
  if (!outcome) return outcome.error();
  if (*outcome != 0) return connect_error(address, *outcome);
  // Only connecting is not to block. Each later call says so itself; those of a last will cannot.
  if (::fcntl(fd.get(), F_SETFL, 0) != 0) return system_error("fcntl", errno);
  return fd;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
struct FoundHost {
  int error = 0;  // getaddrinfo's
  std::unique_ptr<addrinfo, FreeAddresses> addresses;
};

// Name servers are waited for without a descriptor that could be polled.
Result<FoundHost> look_up(const QmpAddress& address, const WaitLimits& limits) {
  auto ask = [host = address.host, port = address.port] {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    int error = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &list);
    return FoundHost{error, std::unique_ptr<addrinfo, FreeAddresses>(error == 0 ? list : nullptr)};
  };
  return call_apart<FoundHost>(ask, limits, "the address of the monitor's host");
}

Result<UniqueFd> connect_tcp(const QmpAddress& address, const WaitLimits& limits) {
  auto found = look_up(address, limits);
  if (!found) return found.error();
  if (found->error != 0) {
    return Error{Errc::Environment,
                 fmt::format("look up {}: {}", to_text(address), ::gai_strerror(found->error))};
  }
  Error last = connect_error(address, ECONNREFUSED);
  for (const addrinfo* one = found->addresses.get(); one; one = one->ai_next) {
    auto fd = open_and_connect(one->ai_family, one->ai_addr, one->ai_addrlen, address, limits);
    if (fd || fd.error().code != Errc::Environment) return fd;
    last = fd.error();
  }
  return last;
}

}  // namespace

Result<QmpAddress> QmpAddress::parse(std::string_view text) {
  QmpAddress address;
  if (text.starts_with("tcp:")) {
    auto rest = text.substr(4);
    auto colon = rest.rfind(':');
    if (colon == std::string_view::npos) return bad_address(text, "no port");
    auto host = rest.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    address.kind = Kind::Tcp;
    address.host = host.empty() ? "localhost" : host;
    address.port = rest.substr(colon + 1);
    if (address.port.empty()) return bad_address(text, "no port");
    return address;
  }
  address.path = text.starts_with("unix:") ? text.substr(5) : text;
  if (address.path.empty()) return bad_address(text, "no path");
  if (auto fits = unix_address(address.path); !fits) return fits.error();
  return address;
}

std::string to_text(const QmpAddress& address) {
  if (address.kind == QmpAddress::Kind::Unix) return "unix:" + escape(address.path);
  bool is_v6 = address.host.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(is_v6 ? "tcp:[{}]:{}" : "tcp:{}:{}"), escape(address.host),
                     escape(address.port));
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  if (path.size() >= sizeof where.sun_path) {
    return bad_address(path, fmt::format("the path has {} bytes, a unix socket's at most {}",
                                         path.size(), sizeof where.sun_path - 1));
  }
  std::memcpy(where.sun_path, path.data(), path.size());
  return where;
}

Result<UniqueFd> connect_socket(const QmpAddress& address, const WaitLimits& limits) {
  if (address.kind == QmpAddress::Kind::Tcp) return connect_tcp(address, limits);
  auto where = unix_address(address.path);
  if (!where) return where.error();
  return open_and_connect(AF_UNIX, reinterpret_cast<const sockaddr*>(&*where), sizeof *where,
                          address, limits);
}

}  // namespace vmstream
