// SPDX-License-Identifier: MIT
// The formats by their names.
#pragma once

#include "codec/blocks/block_codec.h"
#include "codec/gzip/gzip_member.h"

namespace vmstream {

/// Null for Coding::None, which has no units.
const BlockCodec* find_codec(Coding coding);

// gzip_codec() is in gzip_member.h.
const BlockCodec& bzip2_codec();
const BlockCodec& zstd_codec();
const BlockCodec& xz_codec();
const BlockCodec& lz4_codec();
const BlockCodec& lzop_codec();

}  // namespace vmstream
