// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "io/wait.h"

namespace vmstream {

Status PostcopyChannel::receive() {
  std::array<std::byte, 16384> buffer;
  ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    reader_.append(std::span(buffer).first(static_cast<size_t>(count)));
    return ok();
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return ok();
  if (count < 0 && errno != ECONNRESET) return system_error("read the return path", errno);
  return Error{Errc::Environment, "QEMU closed the connection"};
}

Result<ReturnMessage> PostcopyChannel::await_message(const WaitLimits& limits) {
  for (;;) {
    auto message = take();
    if (!message) return message.error();
    if (*message) return std::move(**message);
    auto ready = wait_ready(socket_, POLLIN, limits, "QEMU's answer");
    if (!ready) return ready.error();
    if (auto received = receive(); !received) return received.error();
  }
}

}  // namespace vmstream
