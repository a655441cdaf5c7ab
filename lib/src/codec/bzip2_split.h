// SPDX-License-Identifier: MIT
// Any bzip2 file as a row of streams of one block each, which can be decoded side by side.
//
// Within a stream blocks begin at any bit, by a magic of 48 bits, and carry their own checksum; the
// stream's end is another magic and a checksum over those of the blocks. A block with a header in
// front and an end behind is a stream of its own. The file's streams are taken apart that way
// without being decoded, and their checksums verified.
//
// Data could hold either magic by chance, once in 35 TB (2^48 bits): such a file is refused.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "io/piecewise_source.h"

namespace vmstream {

/// Reads a bzip2 file, gives the row of streams. What does not look like bzip2 is handed on as it
/// is, from there to the end, for the decoder to judge.
/// Memory: one block and its copy, below 10 MiB; a block that packs to more is damaged.
class Bzip2Splitter final : public PiecewiseSource {
 public:
  explicit Bzip2Splitter(std::unique_ptr<ByteSource> file) : file_(std::move(file)) {}

  /// Where the block begins in the file that has given the byte at `offset` of the row.
  uint64_t place_in_file(uint64_t offset) const;

 private:
  enum class Stage { StreamStart, Blocks, Foreign, Ended };
  struct Place {
    uint64_t row_offset;
    uint64_t file_offset;
  };

  Status make_piece() override;
  bool all_made() const override { return stage_ == Stage::Ended; }
  Status begin_stream();
  Status take_block();
  Status take_end(size_t bit);
  Status take_foreign();
  Status take_rest_of_broken_stream();

  Result<bool> fill(size_t bytes);
  Result<size_t> find_magic(size_t from_bit);
  std::optional<size_t> magic_begins_within(size_t at) const;
  uint64_t bits_at(size_t bit, unsigned count) const;
  void emit_header();
  void emit_bits(size_t from_bit, size_t to_bit);
  void emit_end(uint32_t checksum);
  void note_place();
  void drop_bits(size_t count);

  std::unique_ptr<ByteSource> file_;
  Stage stage_ = Stage::StreamStart;
  bool file_ended_ = false;

  std::vector<std::byte> in_;  // from the byte on in which the next element begins
  size_t bit_ = 0;             // of that byte, at which it begins
  uint64_t in_offset_ = 0;     // of in_ in the file

  std::byte level_{};
  uint32_t combined_ = 0;  // checksum of the stream's blocks so far
  size_t blocks_ = 0;      // of the stream

  unsigned spare_bits_ = 0;   // in the last byte of piece_
  std::deque<Place> places_;  // of the blocks given last
};

/// Puts offsets in the row, as errors of `decoder` have them, back to where they are in the file.
/// `splitter` is what it reads.
std::unique_ptr<ByteSource> make_placing_source(std::unique_ptr<ByteSource> decoder,
                                                const Bzip2Splitter& splitter);

}  // namespace vmstream
