// SPDX-License-Identifier: MIT
// Sources and sinks over descriptors.
#include "io/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include "io/block_device.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// Between looks at how much of a pipe has been read.
constexpr Clock::duration kFirstLook = std::chrono::microseconds(100);
constexpr Clock::duration kLongestLook = std::chrono::milliseconds(20);

class FdSource final : public ByteSource {
 public:
  FdSource(int fd, UniqueFd owned, WaitLimits limits)
      : fd_(fd), owned_(std::move(owned)), limits_(limits) {
    enlarge_pipe(fd_);
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
    find_end();
  }

  Result<size_t> read(std::span<std::byte> into) override {
    auto most = static_cast<size_t>(std::min<uint64_t>(into.size(), left_));
    if (most == 0) return most;
    auto count = read_some(fd_, into.first(most), limits_);
    if (count) left_ -= *count;
    return count;
  }

 private:
  // The kernel tells the end of anything but a file on a block device.
  void find_end() {
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || !S_ISBLK(status.st_mode)) return;
    off_t at = ::lseek(fd_, 0, SEEK_CUR);
    off_t length = ::lseek(fd_, 0, SEEK_END);
    if (at < 0 || length < 0 || ::lseek(fd_, at, SEEK_SET) != at) return;
    auto end = find_marked_end(fd_, static_cast<uint64_t>(length));
    if (end) left_ = *end - std::min(*end, static_cast<uint64_t>(at));
  }

  uint64_t left_ = UINT64_MAX;
  int fd_;
  UniqueFd owned_;
  WaitLimits limits_;
};

class FdSink final : public ByteSink {
 public:
  FdSink(int fd, WaitLimits limits) : writer_(fd), limits_(limits) {}
  Status write(std::span<const std::byte> bytes) override {
    return writer_.write_all(bytes, limits_);
  }
  Status finish() override { return ok(); }

 private:
  Writer writer_;
  WaitLimits limits_;
};

}  // namespace

Result<size_t> read_some(int fd, std::span<std::byte> into, const WaitLimits& limits) {
  for (;;) {
    if (auto ready = wait_ready(fd, POLLIN, limits, "input"); !ready) return ready.error();
    auto count = read_ready(fd, into);
    if (!count) return count.error();
    if (*count) return **count;
  }
}

Result<std::optional<size_t>> read_ready(int fd, std::span<std::byte> into) {
  ssize_t count = ::read(fd, into.data(), into.size());
  if (count >= 0) return std::optional(static_cast<size_t>(count));
  if (errno == EINTR || errno == EAGAIN) return std::optional<size_t>();
  return system_error("read", errno);
}

Writer::Writer(int fd) : fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  is_socket_ = S_ISSOCK(status.st_mode);
  if (S_ISFIFO(status.st_mode)) {
    own_.reset(
        ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    enlarge_pipe(fd);
  }
}

Result<size_t> Writer::write_some(std::span<const std::byte> bytes) {
  for (;;) {
    ssize_t count = is_socket_
                        ? ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                        : ::write(descriptor(), bytes.data(), bytes.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno == EAGAIN) return size_t{0};
    if (errno != EINTR) return system_error("write", errno);
  }
}

// Waits only once a write did not take everything: most of the time there is room.
Status Writer::write_all(std::span<const std::byte> bytes, const WaitLimits& limits) {
  if (auto within = check_limits(limits, "output"); !within) return within;
  for (;;) {
    auto count = write_some(bytes);
    if (!count) return count.error();
    bytes = bytes.subspan(*count);
    if (bytes.empty()) return ok();
    if (auto ready = wait_ready(descriptor(), POLLOUT, limits, "output"); !ready) return ready;
  }
}

std::unique_ptr<ByteSource> make_fd_source(int borrowed_fd, WaitLimits limits) {
  return std::make_unique<FdSource>(borrowed_fd, UniqueFd(), limits);
}

std::unique_ptr<ByteSource> make_fd_source(UniqueFd fd, WaitLimits limits) {
  int number = fd.get();
  return std::make_unique<FdSource>(number, std::move(fd), limits);
}

Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path, WaitLimits limits) {
  // A FIFO would be opened when somebody writes to it, past all limits; so it is the first read
  // that waits for him.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd.is_open()) return system_error("open", errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return system_error("open", EISDIR);
  }
  return make_fd_source(std::move(fd), limits);
}

// No descriptor tells when a pipe is empty.
Status await_reader(int fd, const WaitLimits& limits) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error("ask the output", errno);
  if (!S_ISFIFO(status.st_mode)) return ok();
  for (Clock::duration interval = kFirstLook;; interval = std::min(interval * 2, kLongestLook)) {
    pollfd reader{fd, 0, 0};  // POLLERR is always told: nobody reads
    bool is_gone = ::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0;
    int unread = 0;
    if (::ioctl(fd, FIONREAD, &unread) != 0) return system_error("ask the output", errno);
    if (unread == 0) return ok();
    if (is_gone) {
      return Error{Errc::Environment,
                   fmt::format("whoever read the output left {} bytes of it unread", unread)};
    }
    if (auto waited = pause_within(interval, limits, "a reader of the output"); !waited) {
      return waited;
    }
  }
}

std::unique_ptr<ByteSink> make_fd_sink(int borrowed_fd, WaitLimits limits) {
  return std::make_unique<FdSink>(borrowed_fd, limits);
}

}  // namespace vmstream
