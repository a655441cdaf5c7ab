// SPDX-License-Identifier: MIT
// An owned descriptor.
#pragma once

#include <utility>

#include <vmstream/result.h>

namespace vmstream {

/// Closes its descriptor when it goes. Move-only; converts to nothing: say get().
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);
  /// Closes now and reports what close() said: the last word on delayed write errors.
  Status close();

 private:
  int fd_ = -1;
};

/// Both ends of a pipe, close-on-exec.
struct PipeEnds {
  UniqueFd reader;
  UniqueFd writer;
};
/// A pipe whose buffer is as close to `buffer_bytes` as the system allows.
Result<PipeEnds> make_pipe(size_t buffer_bytes = 1u << 20);

/// Asks for a larger buffer if `fd` is a pipe; does nothing otherwise. Fewer, larger transfers are
/// what makes a pipe fast.
void enlarge_pipe(int fd, size_t buffer_bytes = 1u << 20);

}  // namespace vmstream
