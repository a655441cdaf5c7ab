// SPDX-License-Identifier: MIT
// A source that decompresses unit by unit on all cores.
#pragma once

#include <memory>

#include <vmstream/byte_source.h>
#include "codec/blocks/block_codec.h"

namespace vmstream {

Result<std::unique_ptr<ByteSource>> make_block_decoder(const BlockCodec& codec,
                                                       std::unique_ptr<ByteSource> compressed,
                                                       DecodeOptions options);

}  // namespace vmstream
