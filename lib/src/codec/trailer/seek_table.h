// SPDX-License-Identifier: MIT
// The seek table at the end of a zstd file: the "seekable format", version 0.1.0, that zstd
// publishes in contrib/seekable_format.
//
//   le32 184d2a5e   le32 bytes behind this field
//   for each frame: le32 packed length, le32 plain length (0: a skippable frame),
//                   le32 the low half of the XXH64 of the plain bytes, where the descriptor says so
//   le32 number of frames   u8 descriptor (bit 7: checksums)   le32 8f92eab1
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include "codec/trailer/block_table.h"

namespace vmstream {

/// The table of a file that holds `blocks`, and skippable frames of these lengths behind them.
std::vector<std::byte> make_seek_table(const BlockTable& blocks,
                                       std::span<const uint32_t> skippable_lengths);

/// A seek table that was found.
struct SeekTable {
  BlockTable blocks;
  uint64_t file_offset = 0;  ///< at which the table itself begins
  uint32_t crc = 0;          ///< CRC-32 of the table's bytes
};

/// Reads the table at the end of `file`. Empty: there is none. An error: it is damaged, or it is
/// the table of another file.
Result<std::optional<SeekTable>> read_seek_table(RandomSource& file);

}  // namespace vmstream
