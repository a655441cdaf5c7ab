// SPDX-License-Identifier: MIT
// A format that is read, not written, and whose units are all decoded as streams.
#pragma once

#include "codec/blocks/block_codec.h"

namespace vmstream {

class StreamOnlyCodec : public BlockCodec {
 public:
  size_t block_bytes(int) const final { return 0; }
  std::unique_ptr<BlockCompressor> make_compressor(int, const WaitLimits&) const final {
    return nullptr;
  }
  std::unique_ptr<UnitDecoder> make_unit_decoder() const final { return nullptr; }
};

}  // namespace vmstream
