// SPDX-License-Identifier: MIT
// Blocks that a table describes.
#include "codec/random_decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/blocks/piece_cache.h"
#include "codec/codecs.h"

namespace vmstream {
namespace {

constexpr size_t kMaxPackedBytes = kMaxUnitBytes + 128 * 1024;  // hardly larger than its content

class BlockPieces final : public PieceDecoder {
 public:
  BlockPieces(const BlockCodec& codec, RandomSource& file, BlockTable blocks)
      : codec_(codec), file_(file), blocks_(std::move(blocks)) {}

  uint64_t plain_length() const override { return blocks_.plain_length(); }

  Piece find(uint64_t plain_offset) const override {
    size_t number = *blocks_.find(plain_offset);
    PackedBlock block = blocks_[number];
    return {number, block.plain_offset, block.plain_length};
  }

  Status decode(const Piece& piece, Buffer& plain) override {
    PackedBlock block = blocks_[piece.number];
    packed_.clear();
    packed_.reserve(block.packed_length);
    auto room = packed_.room().first(block.packed_length);
    if (auto got = file_.read_at(block.file_offset, room); !got) return located(got.error(), block);
    packed_.extend(room.size());
    auto decoded = decode_packed(block, plain);
    return decoded ? decoded : located(decoded.error(), block);
  }

 private:
  static Error located(Error error, const PackedBlock& block) {
    error.file_offset = block.file_offset;
    return error;
  }

  Error mismatch(std::string_view what, uint64_t found, uint64_t wanted) const {
    return Error{Errc::Malformed,
                 fmt::format("{}: {} found {:#x}, want {:#x} by the table of blocks",
                             codec_.unit_name(), what, found, wanted)};
  }

  // Decodes packed_, which must be what the table says.
  Status decode_packed(const PackedBlock& block, Buffer& plain) {
    auto packed = packed_.view();
    if (packed.size() < codec_.magic_bytes() || !codec_.can_begin(packed)) {
      return Error{Errc::Malformed,
                   fmt::format("no {} where the table of blocks has one", codec_.unit_name())};
    }
    auto unit = codec_.find_unit(packed, true);
    if (!unit) return unit.error();
    bool whole = unit->kind == FoundUnit::Kind::Whole && unit->length == packed.size();
    uint32_t check = 0;
    if (whole) {
      check = codec_.check_of(packed);
      if (auto good = compare_check(check, block); !good) return good;
      auto decoded = unit_decoder_->decode(packed, plain);
      if (!decoded) return decoded.error();
      whole = *decoded;
    }
    if (!whole) {
      if (auto decoded = decode_as_stream(packed, plain); !decoded) return decoded;
    }
    if (plain.size() != block.plain_length) {
      return mismatch("length", plain.size(), block.plain_length);
    }
    bool unknown = block.check != 0 && check == 0;
    return unknown ? compare_check(codec_.checksum(plain.view()), block) : ok();
  }

  Status compare_check(uint32_t found, const PackedBlock& block) const {
    if (found == 0 || block.check == 0 || found == block.check) return ok();
    return mismatch("checksum", found, block.check);
  }

  // For units that cannot be told to be whole before they are decoded. Fills what room there is.
  Status decode_as_stream(std::span<const std::byte> packed, Buffer& plain) {
    plain.clear();
    if (!stream_decoder_) stream_decoder_ = codec_.make_stream_decoder(1);
    if (auto ready = stream_decoder_->reset(); !ready) return ready;
    auto out = plain.room();
    size_t offered = out.size();
    auto ended = stream_decoder_->decode(packed, out);
    if (!ended) return ended.error();
    plain.extend(offered - out.size());
    if (*ended && packed.empty()) return ok();
    return Error{Errc::Malformed, fmt::format("{}: does not end where the table of blocks says",
                                              codec_.unit_name())};
  }

  const BlockCodec& codec_;
  RandomSource& file_;
  const BlockTable blocks_;
  Buffer packed_;
  std::unique_ptr<UnitDecoder> unit_decoder_ = codec_.make_unit_decoder();
  std::unique_ptr<StreamDecoder> stream_decoder_;
};

Status check_table(const BlockTable& blocks, const RandomSource& file) {
  if (blocks.file_length() > file.length()) {
    return Error{
        Errc::Malformed,
        fmt::format("the table of blocks is of a file of at least {} bytes, this one has {}",
                    blocks.file_length(), file.length())};
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    PackedBlock block = blocks[i];
    if (block.plain_length <= kMaxUnitBytes && block.packed_length <= kMaxPackedBytes) continue;
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("a block of {} bytes is too large to be read by position, "
                                        "want at most {}",
                                        block.plain_length, kMaxUnitBytes),
                 .offset = block.plain_offset,
                 .file_offset = block.file_offset};
  }
  return ok();
}

}  // namespace

Result<std::unique_ptr<RandomSource>> make_random_decoder(Coding coding, RandomSource& file,
                                                          BlockTable blocks,
                                                          RandomDecodeOptions options) {
  const BlockCodec* codec = find_codec(coding);
  if (!codec) return Error{Errc::Usage, "a file that is not compressed needs no decoder"};
  if (auto fits = check_table(blocks, file); !fits) return fits.error();
  return make_piece_source(std::make_unique<BlockPieces>(*codec, file, std::move(blocks)),
                           options.cache_bytes);
}

}  // namespace vmstream
