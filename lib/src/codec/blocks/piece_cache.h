// SPDX-License-Identifier: MIT
// Random access by decoding whole pieces and keeping some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <vmstream/random_source.h>
#include "pipeline/buffer.h"

namespace vmstream {

/// How to decompress by position.
struct RandomDecodeOptions {
  size_t cache_bytes = 16 * 1024 * 1024;  ///< decoded pieces that are kept; one is in any case
};

/// A stretch of the plain stream that is decoded as one.
struct Piece {
  size_t number = 0;
  uint64_t plain_offset = 0;
  size_t plain_length = 0;
};

/// All pieces of a file.
class PieceDecoder {
 public:
  virtual ~PieceDecoder() = default;
  virtual uint64_t plain_length() const = 0;
  /// The piece that holds this byte, which there is.
  virtual Piece find(uint64_t plain_offset) const = 0;
  /// Puts exactly the bytes of `piece`, verified, into `plain`, which is empty and has room for
  /// them.
  virtual Status decode(const Piece& piece, Buffer& plain) = 0;
};

/// The plain bytes by position. The pieces used last are kept, as many as go into `cache_bytes`, or
/// one. Errors get the place of the piece in the plain stream.
std::unique_ptr<RandomSource> make_piece_source(std::unique_ptr<PieceDecoder> decoder,
                                                size_t cache_bytes);

}  // namespace vmstream
