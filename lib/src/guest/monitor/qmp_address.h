// SPDX-License-Identifier: MIT
// Addresses of monitors: how they are written and how they are connected to.
#pragma once

#include <string>

#include <sys/un.h>

#include <vmstream/qmp.h>
#include "base/unique_fd.h"

namespace vmstream {

/// "unix:PATH" or "tcp:HOST:PORT", escaped for messages.
std::string to_text(const QmpAddress& address);

/// Whether the monitor there can hand QEMU a descriptor.
inline bool passes_fds(const QmpAddress& address) {
  return address.kind == QmpAddress::Kind::Unix;
}

/// The sockaddr of a unix socket's path; Errc::Usage if the path is too long for one.
Result<sockaddr_un> unix_address(const std::string& path);

/// A connected socket. Waits while the listener's queue is full.
Result<UniqueFd> connect_socket(const QmpAddress& address, const WaitLimits& limits);

}  // namespace vmstream
