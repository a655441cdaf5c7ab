// SPDX-License-Identifier: MIT
// A unit too long to hold, handed out in chunks.
#pragma once

#include <optional>
#include <string_view>

#include "codec/block_codec.h"

namespace vmstream {

/// Where the decoder's compressed bytes come from.
class PackedInput {
 public:
  virtual ~PackedInput() = default;
  /// The next bytes, at least one; empty at the end of the input.
  virtual Result<std::span<const std::byte>> peek() = 0;
  virtual void consume(size_t count) = 0;
};

/// Decodes one unit after the other. It stays one chunk behind what has been decoded, so that the
/// last chunk of a unit is shown only when the checks at the unit's end have passed.
class LongUnitReader {
 public:
  explicit LongUnitReader(const BlockCodec& codec) : codec_(codec) {}

  /// The next byte of the input begins a unit.
  Status begin();
  /// The next chunk, which lives until the next call; empty when the unit has ended.
  Result<std::span<const std::byte>> next(PackedInput& input);

 private:
  Status decode_chunk(PackedInput& input);

  const BlockCodec& codec_;
  std::unique_ptr<StreamDecoder> decoder_;
  Buffer shown_;
  Buffer held_;
  bool ended_ = false;
};

}  // namespace vmstream
