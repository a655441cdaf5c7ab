// SPDX-License-Identifier: MIT
// Bytes that can be read at any place: a file on the disk, or the plain stream of a compressed one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <vmstream/byte_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// Bytes of a known length, readable by position. Used by one thread at a time; what is read once
/// reads the same again.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  virtual uint64_t length() const = 0;

  /// The user who owns the file that this is; empty where it is none.
  virtual std::optional<uint32_t> owner() const { return std::nullopt; }

  /// Fills all of `into` with the bytes from `offset` on. Errc::Truncated when they reach past the
  /// end; an error leaves the content of `into` open and does not end the source's life.
  virtual Status read_at(uint64_t offset, std::span<std::byte> into) = 0;
};

/// A regular file or block device, opened for reading and closed with the source. Anything that
/// cannot be read by position (a pipe, a FIFO, a terminal) is refused with Errc::Unsupported,
/// unopened.
Result<std::unique_ptr<RandomSource>> open_random_file(const std::string& path);

/// Bytes that the caller keeps alive.
std::unique_ptr<RandomSource> make_random_memory(std::span<const std::byte> borrowed_bytes);

/// The stretch [offset, offset + length) of `whole` (borrowed) from its front to its end, for
/// readers that go straight through.
std::unique_ptr<ByteSource> make_stretch_source(RandomSource& whole, uint64_t offset,
                                                uint64_t length);

}  // namespace vmstream
