// SPDX-License-Identifier: MIT
// Raw deflate by whichever library does it best. Which ones are built in changes speed and ratio,
// never what can be read.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vmstream {

/// Compresses whole blocks. One for each thread.
class Deflater {
 public:
  virtual ~Deflater() = default;
  /// Room that `plain_bytes` need in the worst case.
  virtual size_t bound(size_t plain_bytes) = 0;
  /// Number of bytes written to `packed`; 0: it did not work.
  virtual size_t deflate(std::span<const std::byte> plain, std::span<std::byte> packed) = 0;
};

/// The engine that the ladder of levels (1 to 9) names for `level`.
std::unique_ptr<Deflater> make_deflater(int level);

/// Decompresses whole blocks. One for each thread.
class BlockInflater {
 public:
  virtual ~BlockInflater() = default;
  /// Whether `packed` is exactly one deflate stream that fills `plain` exactly.
  virtual bool inflate(std::span<const std::byte> packed, std::span<std::byte> plain) = 0;
};

std::unique_ptr<BlockInflater> make_block_inflater();

/// Decompresses one stream of any length in pieces.
class StreamInflater {
 public:
  virtual ~StreamInflater() = default;
  virtual bool reset() = 0;
  /// Takes off both spans what was used. True at the end of the stream, false if it goes on, empty
  /// if it is damaged: then what was taken off means nothing.
  virtual std::optional<bool> inflate(std::span<const std::byte>& in,
                                      std::span<std::byte>& out) = 0;
  /// At the end of the stream: bytes behind it, at most 8, that were taken off `in` nevertheless.
  virtual std::span<const std::byte> left_over() const { return {}; }
};

std::unique_ptr<StreamInflater> make_stream_inflater();

/// Names and versions of the libraries.
void list_deflate_engines(std::vector<std::string>& names);

}  // namespace vmstream
