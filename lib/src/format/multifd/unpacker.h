// SPDX-License-Identifier: MIT
// What the packed pages of a channel unpack to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "format/multifd/multifd.h"

namespace vmstream {

/// Told what was unpacked, in pieces that live during the call.
using TakePlain = std::function<void(std::span<const std::byte>)>;

/// Unpacks the data of one channel, packet after packet, as the one compressed stream that it is.
/// Memory: the window of that stream, at most 128 MiB for zstd, and 64 KiB.
class MultifdUnpacker {
 public:
  virtual ~MultifdUnpacker() = default;

  /// Takes in all of `packed`, unless more than `most` bytes come of it: then it stops soon after.
  /// Shows the bytes to `take` (may be empty) and gives how many came. Errc::Malformed, without an
  /// offset, for what is no such stream or goes on behind its end.
  virtual Result<uint64_t> unpack(std::span<const std::byte> packed, uint64_t most,
                                  const TakePlain& take) = 0;
};

/// Null for methods that need none, or that are not unpacked.
std::unique_ptr<MultifdUnpacker> make_multifd_unpacker(MultifdMethod method);

/// Whether the data of this method is looked into: Zlib and Zstd.
bool is_unpacked(MultifdMethod method);

}  // namespace vmstream
