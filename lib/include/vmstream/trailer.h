// SPDX-License-Identifier: MIT
// What stands behind the blocks of a compressed file and is passed over by stock tools: an index,
// whose content is the caller's affair, and where the blocks lie.
#pragma once

#include <memory>
#include <optional>

#include <vmstream/block_table.h>
#include <vmstream/codec.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// The trailer of a file.
struct Trailer {
  /// The bytes that EncodeOptions::index gave, read from the file where they are asked for. Null in
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
