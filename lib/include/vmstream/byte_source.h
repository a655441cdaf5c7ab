// SPDX-License-Identifier: MIT
// Where bytes come from: a descriptor, memory, a command, or a decoder wrapped around another
// source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

/// A one-way sequence of bytes with a clean end.
///
/// A caller uses either read() or next() and does not mix them. Sources are used by one thread at a
/// time. After an error or the end, every further call gives the same answer.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Fills the front of `into` and says how many bytes that were: at least one, fewer than asked
  /// for only because no more are there yet. 0 is the clean end of the input (or an empty `into`).
  virtual Result<size_t> read(std::span<std::byte> into) = 0;

  /// The next bytes, at least one, as a view that lives until the next call; empty at the end.
  /// The default reads into a buffer of its own; decoders hand out what they decoded, uncopied.
  virtual Result<std::span<const std::byte>> next();

 private:
  std::vector<std::byte> scratch_;
};

/// Reads until `into` is full or the input ends; the count is short only at the end.
Result<size_t> read_fully(ByteSource& source, std::span<std::byte> into);

/// Bytes of a descriptor, which must stay open. Waits within `limits`; works for pipes, sockets and
/// files, blocking or not.
std::unique_ptr<ByteSource> make_fd_source(int borrowed_fd, WaitLimits limits = {});

/// The bytes of a file, opened for reading and closed with the source.
Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path,
                                                     WaitLimits limits = {});

/// Bytes that the caller keeps alive.
std::unique_ptr<ByteSource> make_memory_source(std::span<const std::byte> borrowed_bytes);

/// `head`, then everything of `tail`: gives back what was read to recognise a format.
std::unique_ptr<ByteSource> make_prefixed_source(std::vector<std::byte> head,
                                                 std::unique_ptr<ByteSource> tail);

}  // namespace vmstream
