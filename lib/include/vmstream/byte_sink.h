// SPDX-License-Identifier: MIT
// Where bytes go: a descriptor, a file that appears when whole, a command, or an encoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

class ByteSource;

/// Takes bytes in order. Used by one thread at a time. After an error nothing more is accepted.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  /// Takes all of `bytes`; the view is not kept.
  virtual Status write(std::span<const std::byte> bytes) = 0;

  /// Says that no more comes. Success means that everything has been handed to the next stage and
  /// that stage's finish() succeeded too; only then is the output whole. Called at most once.
  virtual Status finish() = 0;

  /// Memory of the sink's own for the bytes to come, so that a reader can fill it without a copy:
  /// fill the front of it, then call commit(). Empty when the sink has none to lend.
  virtual std::span<std::byte> lend() { return {}; }
  /// Takes the first `count` bytes of the span that lend() gave last.
  virtual Status commit(size_t count);
};

/// Writes to a descriptor, which must stay open and is not synced. finish() does nothing.
/// A reader that went away is an Errc::Environment error, never a signal: SIGPIPE must be ignored
/// by the process.
std::unique_ptr<ByteSink> make_fd_sink(int borrowed_fd, WaitLimits limits = {});

/// Waits until whoever reads the pipe or FIFO behind `fd` (borrowed) has taken all that was written
/// to it: a reader that goes away before is an Errc::Environment error. At once for anything else.
Status await_reader(int fd, const WaitLimits& limits = {});

/// Appends to a vector that the caller owns.
std::unique_ptr<ByteSink> make_memory_sink(std::vector<std::byte>& borrowed_bytes);

/// Sees what flows through pump(), in order, before the sink takes it.
class ByteTap {
 public:
  virtual ~ByteTap() = default;
  virtual Status on_bytes(std::span<const std::byte> bytes) = 0;
};

/// Moves everything from `source` to `sink`, uncopied where both allow it, and shows it to `tap`
/// (may be null) on the way. Does not call sink.finish(). Returns the number of bytes moved.
Result<uint64_t> pump(ByteSource& source, ByteSink& sink, ByteTap* tap = nullptr);

}  // namespace vmstream
