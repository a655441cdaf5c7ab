// SPDX-License-Identifier: MIT
// The plain bytes of a compressed file, readable at any place.
#pragma once

#include <memory>
#include <optional>

#include <vmstream/codec.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include "codec/blocks/piece_cache.h"
#include "codec/trailer/block_table.h"

namespace vmstream {

/// Finds the pieces of `file` by going from one to the next, without decoding any: files of the
/// encoder, and zstd files of frames that say their length. Empty where the pieces cannot be told
/// that way or are too large to be decoded whole: foreign gzip, bzip2, `zstd -T0`. An error where
/// the file is damaged or cut off.
Result<std::optional<BlockTable>> find_blocks(Coding coding, RandomSource& file);

/// The plain bytes of `file` (borrowed), whose pieces lie where `blocks` says. The table need not
/// be trusted: a piece is decoded whole, its checksum verified and its length and checksum compared
/// with the table before a byte of it is handed out. An error, which leaves the source usable for
/// other places, has its position in the plain stream and in the file.
///
/// Errc::Unsupported where a piece is larger than 8 MiB; Errc::Malformed where the table does not
/// fit the length of the file.
///
/// Memory: cache_bytes or one piece, whichever is more, one packed piece (up to 8 MiB, in files of
/// the encoder 1 MiB), the decompressor's state, and 24 bytes for each piece of the table.
Result<std::unique_ptr<RandomSource>> make_random_decoder(Coding coding, RandomSource& file,
                                                          BlockTable blocks,
                                                          RandomDecodeOptions options = {});

}  // namespace vmstream
