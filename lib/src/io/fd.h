// SPDX-License-Identifier: MIT
// Single transfers to and from a descriptor that give up in time.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include <vmstream/byte_source.h>
#include <vmstream/cancellation.h>
#include "base/unique_fd.h"

namespace vmstream {

/// read() once, after waiting for input. 0 at the end.
Result<size_t> read_some(int fd, std::span<std::byte> into, const WaitLimits& limits);

/// read() once, of a descriptor that has been found ready. Nothing where there is nothing yet.
Result<std::optional<size_t>> read_ready(int fd, std::span<std::byte> into);

/// make_fd_source() of a descriptor that is closed with the source.
std::unique_ptr<ByteSource> make_fd_source(UniqueFd fd, WaitLimits limits);

/// A descriptor that writes never block on, so that limits hold while the reader is slow.
///
/// Pipes are opened a second time, without blocking: the flag belongs to the open file, which other
/// processes share, and must not be changed behind their backs. Sockets are told by each call.
class Writer {
 public:
  /// `fd` is borrowed.
  explicit Writer(int fd);

  /// Writes as much as fits now; 0 when that is nothing. EPIPE comes out as "…: Broken pipe".
  Result<size_t> write_some(std::span<const std::byte> bytes);
  /// Writes all, waiting within `limits`.
  Status write_all(std::span<const std::byte> bytes, const WaitLimits& limits);

  int descriptor() const { return own_.is_open() ? own_.get() : fd_; }

 private:
  int fd_;
  UniqueFd own_;
  bool is_socket_ = false;
};

}  // namespace vmstream
