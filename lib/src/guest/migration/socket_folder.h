// SPDX-License-Identifier: MIT
// Where a unix socket stands that only those can find who are told its name.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include <vmstream/result.h>
#include "base/unique_fd.h"

namespace vmstream {

/// A folder for one socket, among the system's temporary files. It is locked while it is in use:
/// so create() tells what killed processes have left, and removes it. The destructor removes this
/// one, and the socket.
class SocketFolder {
 public:
  /// Closed to all but `user`, whose it is, where that can be had: by root, or if it is this very
  /// user. Else others may use a socket in it whose name they know, and make one if
  /// `user_makes_socket`.
  static Result<SocketFolder> create(uid_t user, bool user_makes_socket);
  SocketFolder(SocketFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        socket_(std::exchange(other.socket_, {})),
        lock_(std::move(other.lock_)) {}
  SocketFolder& operator=(SocketFolder&&) = delete;
  ~SocketFolder();

  /// The socket's place, whoever creates it. Its name cannot be guessed.
  const std::string& socket() const { return socket_; }

 private:
  SocketFolder(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  std::string socket_;
  UniqueFd lock_;
};

}  // namespace vmstream
