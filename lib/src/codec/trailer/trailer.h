// SPDX-License-Identifier: MIT
// What stands after the blocks of a compressed file and is passed over by stock tools: an index,
// whose content is the caller's affair, and where the blocks lie.
//
//   gzip: [members][index in empty members][locator in an empty member]
//   zstd: [frames][index in skippable frames][locator in a skippable frame][seek table]
//
// The locator has one length in all files of a coding, and so is found from the end. Its content,
// all numbers little endian:
//
//   0   le32 version, 1
//   4   le32 bytes of the index in each wrapping, the last of which may have fewer
//   8   le64 position in the file at which the first wrapping begins
//   16  le64 length of the index, wrapping not counted
//   24  le32 CRC-32 of the seek table (zstd), 0 (gzip)
//   28  le32 CRC-32 of the file in front of this wrapping
//   32  le32 CRC-32 of these bytes from 0 to 31
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/codec.h>
#include <vmstream/random_source.h>
#include "codec/trailer/block_table.h"

namespace vmstream {

/// Gives the bytes to store after the blocks that `blocks` describes. Called once, on the thread
/// that calls finish().
using IndexMaker = std::function<Result<std::vector<std::byte>>(const BlockTable& blocks)>;

/// Writes what follows the blocks. `checksum` is the CRC-32 of all that was written before.
using TrailerWriter =
    std::function<Status(ByteSink& next, const BlockTable& blocks, uint32_t checksum)>;

/// Empty for codings without a trailer, and where there is no `make_index`.
TrailerWriter make_trailer_writer(Coding coding, IndexMaker make_index);

/// A locator, with its wrapping, is no longer than this.
constexpr size_t kMostLocatorBytes = 128;

/// What `unit` says of the file in front of it, its CRC-32, if it is a locator with its wrapping
/// and undamaged. Only that tells a reader who goes from block to block that none was left out,
/// repeated or put elsewhere; and that bits changed which the formats do not look at.
std::optional<uint32_t> read_file_checksum(Coding coding, std::span<const std::byte> unit);

/// The trailer of a file.
struct Trailer {
  /// The bytes that an IndexMaker gave, read from the file where they are asked for. Null in
  /// seekable zstd files of other programs. Their content is not checked here: a damaged bit in it
  /// is for the reader of the index to find.
  std::unique_ptr<RandomSource> index;
  /// Where the blocks lie, as the trailer has it. Zstd only; gzip's are part of the index.
  std::optional<BlockTable> blocks;
};

/// Reads the trailer from the end of `file` (borrowed; it must outlive the index). Empty where
/// there is none, and for codings that have none. An error, with its place in the file, where there
/// is one that is damaged, that is newer than this library, or that belongs to another file or to
/// the last one of several in a row: the file is then to be used as one without.
///
/// Memory: 24 bytes a block, at most kMaxPackedBlocks of them.
Result<std::optional<Trailer>> read_trailer(Coding coding, RandomSource& file);

}  // namespace vmstream
