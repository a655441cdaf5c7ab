// SPDX-License-Identifier: MIT
// Where a unix socket, a FIFO or a file stands that only those can find who are told its name.
#pragma once

#include <stdio.h>
#include <sys/types.h>

#include <string>
#include <utility>

#include <vmstream/result.h>
#include "base/unique_fd.h"

namespace vmstream {

/// A folder for one thing, among the system's temporary files if not elsewhere. It is locked while
/// it is in use: so create() tells what killed processes have left, and removes it. The destructor
/// removes this one, and what stands in its place.
class PrivateFolder {
 public:
  /// Closed to all but `user`, whose it is, where that can be had: by root, or if it is this very
  /// user. Else others may use a socket in it whose name they know, and make one if
  /// `user_makes_socket`.
  static Result<PrivateFolder> create(uid_t user, bool user_makes_socket,
                                      const std::string& parent = P_tmpdir);
  PrivateFolder(PrivateFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        place_(std::exchange(other.place_, {})),
        lock_(std::move(other.lock_)) {}
  PrivateFolder& operator=(PrivateFolder&&) = delete;
  ~PrivateFolder();

  /// The place for it, whoever creates it. Its name cannot be guessed.
  const std::string& place() const { return place_; }

 private:
  PrivateFolder(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  std::string place_;
  UniqueFd lock_;
};

}  // namespace vmstream
