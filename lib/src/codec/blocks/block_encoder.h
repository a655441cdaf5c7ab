// SPDX-License-Identifier: MIT
// A sink that compresses block by block on all cores.
#pragma once

#include <memory>

#include <vmstream/byte_sink.h>
#include "codec/blocks/block_codec.h"
#include "codec/trailer/trailer.h"

namespace vmstream {

/// `write_trailer` (may be empty) is called by finish(), behind the last block.
Result<std::unique_ptr<ByteSink>> make_block_encoder(const BlockCodec& codec, ByteSink& next,
                                                     int level, const EncodeOptions& options,
                                                     TrailerWriter write_trailer);

}  // namespace vmstream
