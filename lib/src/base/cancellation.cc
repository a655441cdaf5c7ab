// SPDX-License-Identifier: MIT
#include <vmstream/cancellation.h>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace vmstream {

Result<Cancellation> Cancellation::create() {
  int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return system_error("eventfd", errno);
  return Cancellation(fd);
}

Cancellation::Cancellation(Cancellation&& other) noexcept
    : event_fd_(std::exchange(other.event_fd_, -1)) {}

Cancellation::~Cancellation() {
  if (event_fd_ >= 0) ::close(event_fd_);
}

void Cancellation::request() const noexcept {
  int saved_errno = errno;  // a signal handler must not disturb what it interrupted
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(event_fd_, &one, sizeof one);
  errno = saved_errno;
}

bool Cancellation::requested() const {
  pollfd waiting{event_fd_, POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace vmstream
