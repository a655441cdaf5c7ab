// SPDX-License-Identifier: MIT
#include "io/peer_user.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/unique_fd.h"
#include "support/catch.h"

namespace vmstream {
namespace {

// A listener of one family, and a connection to it that another family may make.
struct Connection {
  UniqueFd listener;
  UniqueFd near;
  UniqueFd far;
};

template <typename Address>
Connection connect_over(int family, Address here, int other_family, auto there) {
  Connection made;
  made.listener.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  socklen_t size = sizeof here;
  auto* address = reinterpret_cast<sockaddr*>(&here);
  REQUIRE(::bind(made.listener.get(), address, size) == 0);
  REQUIRE(::listen(made.listener.get(), 1) == 0);
  REQUIRE(::getsockname(made.listener.get(), address, &size) == 0);
  std::memcpy(reinterpret_cast<char*>(&there) + 2, reinterpret_cast<char*>(&here) + 2, 2);  // port
  made.near.reset(::socket(other_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(made.near.get(), reinterpret_cast<sockaddr*>(&there), sizeof there) == 0);
  made.far.reset(::accept4(made.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(made.far.is_open());
  return made;
}

sockaddr_in loopback4() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_in6 address6(const in6_addr& host) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = host;
  return address;
}

TEST_CASE("a TCP peer on this machine has a user", "[guest]") {
  auto v4 = connect_over(AF_INET, loopback4(), AF_INET, loopback4());
  CHECK(*find_tcp_peer_user(v4.near.get()) == ::geteuid());
  auto v6 =
      connect_over(AF_INET6, address6(in6addr_loopback), AF_INET6, address6(in6addr_loopback));
  CHECK(*find_tcp_peer_user(v6.near.get()) == ::geteuid());
  auto both = connect_over(AF_INET6, address6(in6addr_any), AF_INET, loopback4());
  CHECK(*find_tcp_peer_user(both.near.get()) == ::geteuid());
  CHECK(*find_tcp_peer_user(both.far.get()) == ::geteuid());
}

TEST_CASE("a peer that the kernel does not list has none", "[guest]") {
  auto gone = connect_over(AF_INET, loopback4(), AF_INET, loopback4());
  linger at_once{1, 0};
  REQUIRE(::setsockopt(gone.far.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  gone.far.reset();
  CHECK_FALSE(find_tcp_peer_user(gone.near.get()));
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  UniqueFd one(ends[0]);
  UniqueFd two(ends[1]);
  CHECK_FALSE(find_tcp_peer_user(one.get()));
  CHECK(*get_unix_peer_user(one.get()) == ::geteuid());
}

}  // namespace
}  // namespace vmstream
