// SPDX-License-Identifier: MIT
// Reading twice what may change between the readings.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// What was read once, from its front to its end: a SHA-256 of each piece, or that all of it is
/// zero. Lengths and times do not tell a change within a tick of the clock, and a checksum does not
/// tell one that was made to fit. Memory: 32 bytes a piece, 128 KiB for each GiB.
///
/// Filled by one thread; once sealed it may be asked by any number of them.
class PieceDigests {
 public:
  static constexpr size_t kPieceBytes = 256 * 1024;

  /// What the bytes are of, in which their places are told.
  enum class Of { File, Stream };
  explicit PieceDigests(Of whole) : whole_(whole) {}

  /// The next bytes of the first reading.
  Status append(std::span<const std::byte> bytes);
  /// What the first reading has left: everything of `whole` from length() on.
  Status append_rest(RandomSource& whole);
  /// The first reading has ended.
  Status seal();

  uint64_t length() const { return length_; }
  /// Whether another reading, sealed too, gave the same bytes.
  bool agrees_with(const PieceDigests& other) const {
    return length_ == other.length_ && pieces_ == other.pieces_;
  }
  /// Whether `bytes` are piece `number` as it was read, the last one being shorter. Else
  /// Errc::Malformed, with the place.
  Status check(uint64_t number, std::span<const std::byte> bytes) const;

 private:
  Status note(std::span<const std::byte> piece);

  Of whole_;
  uint64_t length_ = 0;
  std::vector<std::array<std::byte, 32>> pieces_;
  std::vector<std::byte> begun_;  // a piece that is not whole yet
};

/// The first reading: `source`, noting in `digests` what passes. Neither is sealed by the end.
std::unique_ptr<ByteSource> make_noting_source(std::unique_ptr<ByteSource> source,
                                               std::shared_ptr<PieceDigests> digests);
/// The same for a borrowed source.
std::unique_ptr<ByteSource> make_noting_source(ByteSource& source,
                                               std::shared_ptr<PieceDigests> digests);

/// The second reading: `source`, of which no byte is given whose piece is not as it was in the
/// first. Reads whole pieces and keeps the last one.
std::unique_ptr<RandomSource> make_proved_source(std::unique_ptr<RandomSource> source,
                                                 std::shared_ptr<const PieceDigests> digests);
/// The same for a borrowed source.
std::unique_ptr<RandomSource> make_proved_source(RandomSource& source,
                                                 std::shared_ptr<const PieceDigests> digests);
/// The same for one that comes from front to end. It ends well only where the first reading did.
std::unique_ptr<ByteSource> make_proved_source(std::unique_ptr<ByteSource> source,
                                               std::shared_ptr<const PieceDigests> digests);

}  // namespace vmstream
