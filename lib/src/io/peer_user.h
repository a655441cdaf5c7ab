// SPDX-License-Identifier: MIT
// Whose process, or which, is at the other end of a connection on this machine.
#pragma once

#include <sys/types.h>

#include <vmstream/result.h>

namespace vmstream {

/// The user that has the other end of a connected TCP socket, as the kernel lists it. Fails where
/// that end is not on this machine, or in another network namespace.
Result<uid_t> find_tcp_peer_user(int fd);

/// The user of the process that connected to this unix socket, or listened for it.
Result<uid_t> get_unix_peer_user(int fd);

/// That process; 0 where it is in another process namespace.
Result<pid_t> get_unix_peer_process(int fd);

}  // namespace vmstream
