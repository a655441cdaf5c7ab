// SPDX-License-Identifier: MIT
// A unit too long to hold, handed out in chunks.
#pragma once

#include <memory>
#include <span>

#include "codec/blocks/block_codec.h"
#include "codec/blocks/input_window.h"

namespace vmstream {

/// Decodes one unit after the other from the front of a window. It stays one chunk behind what has
/// been decoded, so that the last chunk of a unit is shown only when the checks at the unit's end
/// have passed.
///
/// All on the caller's thread: a thread of its own for the decoding was measured to gain nothing on
/// two cores, where whoever takes the plain bytes needs the other one.
class LongUnitReader {
 public:
  /// `threads`: for decoders that can use several.
  LongUnitReader(const BlockCodec& codec, InputWindow& window, unsigned threads)
      : codec_(codec), window_(window), threads_(threads) {}

  /// The next byte of the window begins a unit.
  Status begin();
  /// The next chunk, which lives until the next call; empty when the unit has ended. The window
  /// then stands behind the unit.
  Result<std::span<const std::byte>> next();

 private:
  Status decode_chunk();

  const BlockCodec& codec_;
  InputWindow& window_;
  const unsigned threads_;
  std::unique_ptr<StreamDecoder> decoder_;
  Buffer shown_;
  Buffer held_;
  bool ended_ = false;
};

}  // namespace vmstream
