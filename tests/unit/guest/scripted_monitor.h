// SPDX-License-Identifier: MIT
// A monitor that says what a real QEMU cannot be made to say.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "support/catch.h"

namespace testing {

inline constexpr const char* kGreeting =
    R"({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}, "capabilities": []}})"
    "\r\n";

/// The far end of a socketpair, played by `script` on a thread of its own; it closes when the
/// script ends.
class ScriptedMonitor {
 public:
  using Script = std::function<void(ScriptedMonitor&)>;

  explicit ScriptedMonitor(Script script) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    near_.reset(ends[0]);
    far_.reset(ends[1]);
    thread_ = std::jthread([this, script = std::move(script)] {
      script(*this);
      far_.reset();
    });
  }
  ~ScriptedMonitor() { near_.reset(); }

  /// For QmpClient::adopt().
  int client_end() { return near_.release(); }

  void say(const std::string& text) const {
    for (size_t sent = 0; sent < text.size();) {
      ssize_t count = ::send(far_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<size_t>(count);
    }
  }
  /// The next command line; empty once the client has closed.
  std::string hear() {
    size_t end;
    while ((end = heard_.find('\n')) == std::string::npos) {
      char buffer[4096];
      ssize_t count = ::recv(far_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) return {};
      heard_.append(buffer, static_cast<size_t>(count));
    }
    std::string line = heard_.substr(0, end);
    heard_.erase(0, end + 1);
    return line;
  }
  /// Takes one message and gives the descriptor that came with it, or -1.
  int hear_descriptor() const {
    char buffer[4096];
    iovec part{buffer, sizeof buffer};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    int fd = -1;
    if (::recvmsg(far_.get(), &message, MSG_CMSG_CLOEXEC) <= 0) return fd;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
  }
  /// Greets and answers qmp_capabilities, the client's first command.
  void greet() {
    say(kGreeting);
    hear();
    say(R"({"return": {}, "id": 1})"
        "\r\n");
  }

 private:
  vmstream::UniqueFd near_;
  vmstream::UniqueFd far_;
  std::string heard_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace testing
