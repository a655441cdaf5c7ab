// SPDX-License-Identifier: MIT
// Pieces are decoded whole and kept; those used longest ago make room for new ones.
#include <vmstream/random_decoder.h>

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <unordered_map>

#include "codec/block_codec.h"

namespace vmstream {
namespace {

constexpr size_t kMaxPackedBytes = kMaxUnitBytes + 128 * 1024;  // hardly larger than its content

struct DecodedPiece {
  size_t number = 0;
  Buffer plain;
};

// Decoded pieces, the one used last in front.
class PieceCache {
 public:
  explicit PieceCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  /// Null if the piece is not there. Lives until the next insert().
  const Buffer* find(size_t number) {
    auto found = places_.find(number);
    if (found == places_.end()) return nullptr;
    pieces_.splice(pieces_.begin(), pieces_, found->second);
    return &pieces_.front().plain;
  }

  /// Makes room for a piece of this length; gives memory to decode it into.
  Buffer make_room(size_t length) {
    Buffer memory;
    while (!pieces_.empty() && bytes_ + length > most_bytes_) {
      bytes_ -= pieces_.back().plain.capacity();
      places_.erase(pieces_.back().number);
      memory = std::move(pieces_.back().plain);
      pieces_.pop_back();
    }
    return memory.capacity() == length ? std::move(memory) : Buffer(length);
  }

  const Buffer& insert(size_t number, Buffer plain) {
    bytes_ += plain.capacity();
    pieces_.push_front({number, std::move(plain)});
    places_[number] = pieces_.begin();
    return pieces_.front().plain;
  }

 private:
  const size_t most_bytes_;
  size_t bytes_ = 0;
  std::list<DecodedPiece> pieces_;
  std::unordered_map<size_t, std::list<DecodedPiece>::iterator> places_;
};

class RandomDecoder final : public RandomSource {
 public:
  RandomDecoder(const BlockCodec& codec, RandomSource& file, BlockTable blocks, size_t cache_bytes)
      : codec_(codec), file_(file), blocks_(std::move(blocks)), cache_(cache_bytes) {}

  uint64_t length() const override { return blocks_.plain_length(); }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length() || into.size() > length() - offset) {
      return Error{Errc::Truncated, fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}",
                                                into.size(), offset, length())};
    }
    if (into.empty()) return ok();
    for (size_t number = *blocks_.find(offset); !into.empty(); ++number) {
      PackedBlock block = blocks_[number];
      if (block.plain_length == 0) continue;
      auto plain = get(number, block);
      if (!plain) return plain.error();
      auto part = plain->subspan(static_cast<size_t>(offset - block.plain_offset));
      part = part.first(std::min(part.size(), into.size()));
      std::ranges::copy(part, into.begin());
      into = into.subspan(part.size());
      offset += part.size();
    }
    return ok();
  }

 private:
  Result<std::span<const std::byte>> get(size_t number, const PackedBlock& block) {
    if (const Buffer* plain = cache_.find(number)) return plain->view();
    packed_.clear();
    packed_.reserve(block.packed_length);
    auto room = packed_.room().first(block.packed_length);
    if (auto got = file_.read_at(block.file_offset, room); !got) return located(got.error(), block);
    packed_.extend(room.size());
    Buffer plain = cache_.make_room(block.plain_length);
    if (auto decoded = decode(block, plain); !decoded) return located(decoded.error(), block);
    return cache_.insert(number, std::move(plain)).view();
  }

  static Error located(Error error, const PackedBlock& block) {
    error.offset = block.plain_offset;
    error.file_offset = block.file_offset;
    return error;
  }

  Error mismatch(std::string_view what, uint64_t found, uint64_t wanted) const {
    return Error{Errc::Malformed,
                 fmt::format("{}: {} found {:#x}, want {:#x} by the table of blocks",
                             codec_.unit_name(), what, found, wanted)};
  }

  // Decodes packed_, which must be what the table says.
  Status decode(const PackedBlock& block, Buffer& plain) {
    auto packed = packed_.view();
    if (packed.size() < codec_.magic_bytes() || !codec_.can_begin(packed)) {
      return Error{Errc::Malformed,
                   fmt::format("no {} where the table of blocks has one", codec_.unit_name())};
    }
    auto unit = codec_.find_unit(packed, true);
    if (!unit) return unit.error();
    bool whole = unit->kind == FoundUnit::Kind::Whole && unit->length == packed.size();
    if (whole) {
      // Before it is decoded: what the unit says of itself bounds the memory that it takes.
      uint32_t check = codec_.check_of(packed);
      if (block.check != 0 && check != 0 && check != block.check) {
        return mismatch("checksum", check, block.check);
      }
      auto decoded = unit_decoder_->decode(packed, plain);
      if (!decoded) return decoded.error();
      whole = *decoded;
    }
    if (!whole) {
      if (auto decoded = decode_as_stream(packed, plain); !decoded) return decoded;
    }
    if (plain.size() == block.plain_length) return ok();
    return mismatch("length", plain.size(), block.plain_length);
  }

  // For units that cannot be told to be whole before they are decoded. Fills what room there is.
  Status decode_as_stream(std::span<const std::byte> packed, Buffer& plain) {
    plain.clear();
    if (!stream_decoder_) stream_decoder_ = codec_.make_stream_decoder();
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
  PieceCache cache_;
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
  return std::unique_ptr<RandomSource>(
      std::make_unique<RandomDecoder>(*codec, file, std::move(blocks), options.cache_bytes));
}

}  // namespace vmstream
