// SPDX-License-Identifier: MIT
// Where the independent pieces of a compressed file lie, in the file and in the plain stream; and
// the same as the seek table at the end of a zstd file: the "seekable format", version 0.1.0, that
// zstd publishes in contrib/seekable_format.
//
//   le32 184d2a5e   le32 bytes behind this field
//   for each frame: le32 packed length, le32 plain length (0: a skippable frame),
//                   le32 the low half of the XXH64 of the plain bytes, where the descriptor says so
//   le32 number of frames   u8 descriptor (bit 7: checksums)   le32 8f92eab1
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// One piece that unpacks by itself: a zstd frame, a gzip member, a bzip2 stream.
struct PackedBlock {
  uint64_t plain_offset = 0;
  uint64_t file_offset = 0;
  uint32_t plain_length = 0;
  uint32_t packed_length = 0;
  uint32_t check = 0;  ///< the checksum of the plain bytes that the piece carries; 0: not known
};

/// Pieces a file may have, at most, to be read by position: 4 TiB in blocks of 1 MiB.
constexpr size_t kMaxPackedBlocks = 4 * 1024 * 1024;

/// All pieces of a file, in order and without gaps in the plain stream. 24 bytes a piece.
class BlockTable {
 public:
  /// Adds the next piece. False, and nothing is added, where an offset would overflow.
  bool append(uint32_t plain_length, uint32_t packed_length, uint32_t check = 0);
  /// Bytes of the file that hold nothing of the plain stream follow the last piece.
  bool append_gap(uint64_t file_bytes);

  /// The number of pieces.
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // Bytes of the plain stream and of the file that pieces and gaps make up.
  uint64_t plain_length() const { return plain_end_; }
  uint64_t file_length() const { return file_end_; }

  PackedBlock operator[](size_t number) const;
  /// The number of the piece that holds the byte at `plain_offset`; empty behind the last.
  std::optional<size_t> find(uint64_t plain_offset) const;

 private:
  struct Entry {
    uint64_t plain_offset;
    uint64_t file_offset;
  };
  std::vector<Entry> entries_;
  struct Packed {
    uint32_t length;  // gaps make it differ from the distance to the next piece
    uint32_t check;
  };
  std::vector<Packed> packed_;
  uint64_t plain_end_ = 0;
  uint64_t file_end_ = 0;
};

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
