// SPDX-License-Identifier: MIT
// A TCP port in front of a unix monitor, whose connection a test can cut while QEMU lives on.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include <vmstream/qmp.h>
#include "base/unique_fd.h"
#include "support/catch.h"

namespace testing {

/// Serves one client after another on a thread of its own.
class CuttableProxy {
 public:
  explicit CuttableProxy(const vmstream::QmpAddress& monitor) : monitor_(monitor.path) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
    REQUIRE(::listen(listener_.get(), 4) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
    address_.kind = vmstream::QmpAddress::Kind::Tcp;
    address_.host = "127.0.0.1";
    address_.port = std::to_string(ntohs(where.sin_port));
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }

  const vmstream::QmpAddress& address() const { return address_; }
  /// Ends the connection under way, if any; the next one is served again.
  void cut() {
    cut_ = true;
    while (cut_) std::this_thread::yield();
  }

 private:
  static constexpr int kPollMilliseconds = 5;

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      cut_ = false;
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
      vmstream::UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      vmstream::UniqueFd qemu = connect_monitor();
      while (!stop.stop_requested() && !cut_ && forward(client.get(), qemu.get())) {
      }
    }
  }

  vmstream::UniqueFd connect_monitor() const {
    vmstream::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::strncpy(where.sun_path, monitor_.c_str(), sizeof where.sun_path - 1);
    ::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where);
    return fd;
  }

  // False once either side has closed.
  static bool forward(int client, int qemu) {
    std::array<pollfd, 2> ends{pollfd{client, POLLIN, 0}, pollfd{qemu, POLLIN, 0}};
    if (::poll(ends.data(), ends.size(), kPollMilliseconds) <= 0) return true;
    for (size_t from : {size_t{0}, size_t{1}}) {
      if (ends[from].revents == 0) continue;
      std::array<char, 4096> buffer;
      ssize_t count = ::recv(ends[from].fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) return false;
      ::send(ends[1 - from].fd, buffer.data(), static_cast<size_t>(count), MSG_NOSIGNAL);
    }
    return true;
  }

  std::string monitor_;
  vmstream::QmpAddress address_;
  vmstream::UniqueFd listener_;
  std::atomic<bool> cut_ = false;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace testing
