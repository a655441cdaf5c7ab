// SPDX-License-Identifier: MIT
#include "io/peer_user.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace vmstream {
namespace {

// An address as the kernel's tables print it: words as they lie in memory, then the port.
using Forms = std::vector<std::string>;

constexpr std::string_view kMappedPrefix = "0000000000000000FFFF0000";  // of IPv4 within IPv6

template <typename Address>
Address as(const sockaddr_storage& end) {
  Address address{};
  std::memcpy(&address, &end, sizeof address);
  return address;
}

// IPv4 has two forms: a socket that serves both kinds is listed among those of IPv6.
Forms forms_of(const sockaddr_storage& end) {
  if (end.ss_family == AF_INET) {
    auto v4 = as<sockaddr_in>(end);
    auto text = fmt::format("{:08X}:{:04X}", v4.sin_addr.s_addr, ntohs(v4.sin_port));
    return {text, fmt::format("{}{}", kMappedPrefix, text)};
  }
  auto v6 = as<sockaddr_in6>(end);
  std::string text;
  for (size_t word = 0; word < 4; ++word) {
    uint32_t value = 0;
    std::memcpy(&value, v6.sin6_addr.s6_addr + 4 * word, sizeof value);
    text += fmt::format("{:08X}", value);
  }
  text += fmt::format(":{:04X}", ntohs(v6.sin6_port));
  if (!text.starts_with(kMappedPrefix)) return {text};
  return {text, text.substr(kMappedPrefix.size())};
}

Result<Forms> ask_for_end(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage end{};
  socklen_t size = sizeof end;
  if (ask(fd, reinterpret_cast<sockaddr*>(&end), &size) != 0) {
    return system_error("ask a socket for its addresses", errno);
  }
  return forms_of(end);
}

// One connection a line: number, local end, remote end, state, two queues, a timer, and the user.
std::optional<uid_t> user_in_line(const std::string& line, const Forms& local,
                                  const Forms& remote) {
  std::istringstream in(line);
  std::string number, here, there, state, queues, timer, retransmits;
  uid_t user = 0;
  if (!(in >> number >> here >> there >> state >> queues >> timer >> retransmits >> user)) {
    return std::nullopt;
  }
  bool is_it = std::ranges::count(local, here) > 0 && std::ranges::count(remote, there) > 0;
  return is_it ? std::optional(user) : std::nullopt;
}

Result<ucred> ask_for_peer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return system_error("ask a socket for its peer", errno);
  }
  return peer;
}

}  // namespace

Result<uid_t> find_tcp_peer_user(int fd) {
  // The other end is local where this one is remote.
  auto local = ask_for_end(fd, ::getpeername);
  if (!local) return local.error();
  auto remote = ask_for_end(fd, ::getsockname);
  if (!remote) return remote.error();
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    for (std::string line; std::getline(in, line);) {
      if (auto user = user_in_line(line, *local, *remote)) return *user;
    }
  }
  return Error{Errc::Environment, "the kernel lists no such connection on this machine"};
}

Result<uid_t> get_unix_peer_user(int fd) {
  auto peer = ask_for_peer(fd);
  if (!peer) return peer.error();
  return peer->uid;
}

Result<pid_t> get_unix_peer_process(int fd) {
  auto peer = ask_for_peer(fd);
  if (!peer) return peer.error();
  return peer->pid;
}

}  // namespace vmstream
