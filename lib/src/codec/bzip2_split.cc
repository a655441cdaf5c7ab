// SPDX-License-Identifier: MIT
#include "codec/bzip2_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vmstream {
namespace {

constexpr uint64_t kBlockMagic = 0x314159265359;
constexpr uint64_t kEndMagic = 0x177245385090;
constexpr unsigned kMagicBits = 48;
constexpr uint64_t kMagicMask = (uint64_t{1} << kMagicBits) - 1;
constexpr size_t kMagicSpan = 7;  // bytes that hold a magic, at whichever bit it begins
constexpr unsigned kChecksumBits = 32;
constexpr unsigned kHeadBits = kMagicBits + kChecksumBits;  // of a block, and a stream's whole end
constexpr size_t kHeaderBytes = 4;                          // "BZh" and the level
constexpr size_t kPieceBytes = 64 * 1024;
// A block holds 900000 symbols of at most 20 bits.
constexpr size_t kMostBlockBytes = 4 * 1024 * 1024;
// Results may be this many blocks behind what has been given.
constexpr size_t kPlacesKept = 4096;

bool is_header(std::span<const std::byte> bytes) {
  constexpr std::array<uint8_t, 3> kStart{'B', 'Z', 'h'};
  return bytes.size() >= kHeaderBytes &&
         std::ranges::equal(bytes.first(kStart.size()), std::as_bytes(std::span(kStart))) &&
         bytes[3] >= std::byte{'1'} && bytes[3] <= std::byte{'9'};
}

// For each byte, the bits at which a magic may begin in the byte `distance` in front of it: 0 to 7
// for the one magic, 8 to 15 for the other.
using Suspects = std::array<uint16_t, 256>;
constexpr Suspects make_suspects(unsigned distance) {
  Suspects suspects{};
  for (unsigned bit = 0; bit < 8; ++bit) {
    unsigned shift = kMagicBits - 8 - 8 * distance + bit;
    suspects[kBlockMagic >> shift & 0xff] |= static_cast<uint16_t>(1U << bit);
    suspects[kEndMagic >> shift & 0xff] |= static_cast<uint16_t>(0x100U << bit);
  }
  return suspects;
}

// The next byte within [at, end) in which a magic may begin: two lookups a byte instead of sixteen
// comparisons, which took longer than a third of the decoding itself.
size_t find_suspect(std::span<const std::byte> bytes, size_t at, size_t end) {
  static constexpr Suspects kSecond = make_suspects(1);
  static constexpr Suspects kThird = make_suspects(2);
  for (; at < end; ++at) {
    auto second = std::to_integer<uint8_t>(bytes[at + 1]);
    auto third = std::to_integer<uint8_t>(bytes[at + 2]);
    if ((kSecond[second] & kThird[third]) != 0) break;
  }
  return at;
}

class PlacingSource final : public ByteSource {
 public:
  PlacingSource(std::unique_ptr<ByteSource> decoder, const Bzip2Splitter& splitter)
      : decoder_(std::move(decoder)), splitter_(splitter) {}

  Result<size_t> read(std::span<std::byte> into) override { return placed(decoder_->read(into)); }
  Result<std::span<const std::byte>> next() override { return placed(decoder_->next()); }

 private:
  template <typename T>
  Result<T> placed(Result<T> result) const {
    if (result || !result.error().file_offset) return result;
    Error error = result.error();
    error.file_offset = splitter_.place_in_file(*error.file_offset);
    return error;
  }

  std::unique_ptr<ByteSource> decoder_;
  const Bzip2Splitter& splitter_;
};

}  // namespace

uint64_t Bzip2Splitter::place_in_file(uint64_t offset) const {
  auto behind = std::ranges::upper_bound(places_, offset, {}, &Place::row_offset);
  return behind == places_.begin() ? 0 : std::prev(behind)->file_offset;
}

Status Bzip2Splitter::make_piece() {
  switch (stage_) {
    case Stage::StreamStart:
      return begin_stream();
    case Stage::Blocks:
      return take_block();
    case Stage::Foreign:
      return take_foreign();
    case Stage::Ended:
      break;
  }
  return ok();
}

Status Bzip2Splitter::begin_stream() {
  if (auto filled = fill(kHeaderBytes); !filled) return filled.error();
  if (in_.empty()) {
    stage_ = Stage::Ended;
  } else if (!is_header(in_)) {
    stage_ = Stage::Foreign;
  } else {
    level_ = in_[3];
    drop_bits(kHeaderBytes * 8);
    combined_ = 0;
    blocks_ = 0;
    stage_ = Stage::Blocks;
  }
  return ok();
}

Status Bzip2Splitter::take_block() {
  auto filled = fill((bit_ + kHeadBits + 7) / 8);
  if (!filled) return filled.error();
  if (!*filled) return take_rest_of_broken_stream();
  uint64_t magic = bits_at(bit_, kMagicBits);
  auto checksum = static_cast<uint32_t>(bits_at(bit_ + kMagicBits, kChecksumBits));
  if (magic == kEndMagic) return take_end(bit_);
  if (magic != kBlockMagic) return take_rest_of_broken_stream();
  auto end = find_magic(bit_ + kHeadBits);
  if (!end) return end.error();
  if (*end == 0) return take_rest_of_broken_stream();
  note_place();
  emit_header();
  emit_bits(bit_, *end);
  emit_end(checksum);
  combined_ = (combined_ << 1 | combined_ >> 31) ^ checksum;
  ++blocks_;
  drop_bits(*end - bit_);
  return ok();
}

// What follows begins with a byte.
Status Bzip2Splitter::take_end(size_t bit) {
  auto checksum = static_cast<uint32_t>(bits_at(bit + kMagicBits, kChecksumBits));
  if (checksum != combined_) {
    return Error{.code = Errc::Malformed,
                 .message = fmt::format("bzip2 stream: checksum of its blocks found {:#010x}, want "
                                        "{:#010x}",
                                        combined_, checksum),
                 .file_offset = piece_offset()};
  }
  if (blocks_ == 0) {
    note_place();
    emit_header();
    emit_end(checksum);
  }
  drop_bits((bit + kHeadBits + 7) / 8 * 8 - bit_);
  stage_ = Stage::StreamStart;
  return ok();
}

Status Bzip2Splitter::take_foreign() {
  if (in_.empty()) {
    if (auto filled = fill(1); !filled) return filled.error();
  }
  if (in_.empty()) stage_ = Stage::Ended;
  if (places_.empty() || places_.back().row_offset != piece_offset()) note_place();
  piece_ = std::exchange(in_, {});
  in_offset_ += piece_.size();
  return ok();
}

// A stream that is cut off, or damaged where a block should begin: the decoder will say so.
Status Bzip2Splitter::take_rest_of_broken_stream() {
  for (bool more = true; more && in_.size() < kMostBlockBytes;) {
    auto filled = fill(in_.size() + 1);
    if (!filled) return filled.error();
    more = *filled;
  }
  note_place();
  emit_header();
  // Whole bytes only: made up bits could make a whole stream of it.
  emit_bits(bit_, bit_ + (in_.size() * 8 - bit_) / 8 * 8);
  stage_ = Stage::Ended;
  return ok();
}

/// Whether there are `bytes` in in_; not so at the end of the file only.
Result<bool> Bzip2Splitter::fill(size_t bytes) {
  while (in_.size() < bytes && !file_ended_) {
    size_t had = in_.size();
    in_.resize(had + kPieceBytes);
    auto got = file_->read(std::span(in_).subspan(had));
    in_.resize(had + (got ? *got : 0));
    if (!got) return got.error();
    file_ended_ = *got == 0;
  }
  return in_.size() >= bytes;
}

/// The bit at which the next magic begins, from `from_bit` on; 0 if the file ends before.
Result<size_t> Bzip2Splitter::find_magic(size_t from_bit) {
  for (size_t at = from_bit / 8; at <= kMostBlockBytes;) {
    size_t behind = in_.size() < kMagicSpan ? 0 : in_.size() - kMagicSpan + 1;
    at = find_suspect(in_, at, behind);
    if (at < behind) {
      if (auto start = magic_begins_within(at); start && *start >= from_bit) {
        // Its checksum is wanted too.
        auto whole = fill((*start + kHeadBits + 7) / 8);
        if (!whole) return whole.error();
        return *start;
      }
      ++at;
    } else {
      auto filled = fill(in_.size() + 1);
      if (!filled) return filled.error();
      if (!*filled) break;
    }
  }
  return size_t{0};
}

std::optional<size_t> Bzip2Splitter::magic_begins_within(size_t at) const {
  uint64_t span = bits_at(at * 8, kMagicSpan * 8);
  for (unsigned bit = 0; bit < 8; ++bit) {
    uint64_t window = span >> (8 - bit) & kMagicMask;
    if (window == kBlockMagic || window == kEndMagic) return at * 8 + bit;
  }
  return std::nullopt;
}

// Up to 64 bits; all of them are there.
uint64_t Bzip2Splitter::bits_at(size_t bit, unsigned count) const {
  uint64_t value = 0;
  unsigned taken = 0;
  for (size_t at = bit / 8; taken < count + bit % 8; ++at, taken += 8) {
    uint64_t byte = std::to_integer<uint64_t>(in_[at]);
    unsigned surplus = taken + 8 > count + bit % 8 ? taken + 8 - count - bit % 8 : 0;
    value = value << (8 - surplus) | byte >> surplus;
  }
  return count == 64 ? value : value & ((uint64_t{1} << count) - 1);
}

// The first block of a stream has the stream's place.
void Bzip2Splitter::note_place() {
  bool behind_header = stage_ == Stage::Blocks && blocks_ == 0;
  places_.push_back(
      {piece_offset() + piece_.size(), in_offset_ - (behind_header ? kHeaderBytes : 0)});
  if (places_.size() > kPlacesKept) places_.pop_front();
}

void Bzip2Splitter::emit_header() {
  for (char c : {'B', 'Z', 'h'}) piece_.push_back(static_cast<std::byte>(c));
  piece_.push_back(level_);
  spare_bits_ = 0;
}

// Behind a header: what is moved begins with a byte of the output.
void Bzip2Splitter::emit_bits(size_t from_bit, size_t to_bit) {
  unsigned shift = from_bit % 8;
  size_t count = to_bit - from_bit;
  size_t bytes = (count + 7) / 8;
  auto in = std::span(in_).subspan(from_bit / 8);
  size_t with_next = std::min(bytes, in.size() - 1);
  size_t had = piece_.size();
  piece_.resize(had + bytes);
  auto out = std::span(piece_).subspan(had);
  for (size_t i = 0; i < with_next; ++i) out[i] = in[i] << shift | in[i + 1] >> (8 - shift);
  if (with_next < bytes) out[with_next] = in[with_next] << shift;
  spare_bits_ = static_cast<unsigned>(bytes * 8 - count);
  if (spare_bits_ > 0) piece_.back() &= static_cast<std::byte>(0xff << spare_bits_);
}

void Bzip2Splitter::emit_end(uint32_t checksum) {
  auto append = [this](uint64_t value, unsigned count) {
    for (unsigned bit = count; bit-- > 0;) {
      if (spare_bits_ == 0) {
        piece_.push_back(std::byte{0});
        spare_bits_ = 8;
      }
      --spare_bits_;
      piece_.back() |= static_cast<std::byte>((value >> bit & 1) << spare_bits_);
    }
  };
  append(kEndMagic, kMagicBits);
  append(checksum, kChecksumBits);
}

void Bzip2Splitter::drop_bits(size_t count) {
  bit_ += count;
  size_t bytes = bit_ / 8;
  in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(std::min(bytes, in_.size())));
  in_offset_ += bytes;
  bit_ %= 8;
}

std::unique_ptr<ByteSource> make_placing_source(std::unique_ptr<ByteSource> decoder,
                                                const Bzip2Splitter& splitter) {
  return std::make_unique<PlacingSource>(std::move(decoder), splitter);
}

}  // namespace vmstream
