// SPDX-License-Identifier: MIT
// The cursor over a container's framing: one for files, which skip for free, and for pipes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/random_source.h>

namespace vmstream {

/// Goes from the front of a container towards its end. What it fails with tells the place in
/// Error::file_offset, counted from that front.
class ForwardReader {
 public:
  virtual ~ForwardReader() = default;

  uint64_t position() const { return position_ - ahead_.size(); }  ///< of the next byte
  /// All bytes there are; empty for a pipe, whose end is not known.
  virtual std::optional<uint64_t> length() const { return std::nullopt; }

  /// The next bytes without taking them; fewer than `count` at the end only. At most a few KiB:
  /// they are kept. The view lives until the next call.
  Result<std::span<const std::byte>> peek(size_t count);
  /// Fills the front of `into`, with less than it holds at the end only.
  Result<size_t> read(std::span<std::byte> into);
  /// Fills all of `into`; Errc::Truncated, naming `what`, where less is left.
  Status read_all(std::span<std::byte> into, std::string_view what);
  /// The same for bytes whose number a header tells. The caller has held that against a limit.
  Result<std::vector<std::byte>> read_bytes(size_t count, std::string_view what);
  /// Passes over bytes. Behind the end of a pipe this is told by what is read next.
  Status skip(uint64_t count);

  /// An error at the front of what is read next.
  Error malformed(std::string message) const;

 protected:
  virtual Result<size_t> take(uint64_t position, std::span<std::byte> into) = 0;
  virtual Status pass(uint64_t count) = 0;

 private:
  std::vector<std::byte> ahead_;  // read, and not yet taken
  uint64_t position_ = 0;         // behind them
};

/// Over a borrowed file.
std::unique_ptr<ForwardReader> make_forward_reader(RandomSource& file);
/// Over bytes that come once.
std::unique_ptr<ForwardReader> make_forward_reader(std::unique_ptr<ByteSource> source);

}  // namespace vmstream
