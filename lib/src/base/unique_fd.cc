// SPDX-License-Identifier: MIT
#include "base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace vmstream {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Status UniqueFd::close() {
  int fd = release();
  // EINTR leaves the descriptor closed on Linux, so there is nothing to try again.
  if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return system_error("close", errno);
  return ok();
}

Result<PipeEnds> make_pipe(size_t buffer_bytes) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return system_error("pipe", errno);
  PipeEnds ends{UniqueFd(fds[0]), UniqueFd(fds[1])};
  enlarge_pipe(ends.writer.get(), buffer_bytes);
  return ends;
}

void enlarge_pipe(int fd, size_t buffer_bytes) {
  int have = ::fcntl(fd, F_GETPIPE_SZ);
  if (have < 0) return;
  // An unprivileged process may be over its quota of pipe memory: halve until it is granted.
  for (size_t want = buffer_bytes; want > static_cast<size_t>(have); want /= 2) {
    if (::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(want)) >= 0) return;
  }
}

}  // namespace vmstream
