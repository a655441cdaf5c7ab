// SPDX-License-Identifier: MIT
// From piece to piece by their headers. A gzip member of ours says its length; a zstd frame is a
// row of blocks that do.
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>

#include "base/endian.h"
#include "codec/codecs.h"
#include "codec/random_decoder.h"

namespace vmstream {
namespace {

// One piece, as its header has it.
struct Piece {
  uint64_t packed_length = 0;
  uint64_t plain_length = 0;
  uint32_t check = 0;
};

Error damaged(std::string_view unit_name, uint64_t file_offset) {
  return Error{.code = Errc::Malformed,
               .message = fmt::format("{}: its header is damaged", unit_name),
               .file_offset = file_offset};
}

// The front of what is at `offset`, fewer than `bytes` only at the end of the file.
Result<std::span<const std::byte>> read_front(RandomSource& file, uint64_t offset,
                                              std::span<std::byte> bytes) {
  auto front =
      bytes.first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), file.length() - offset)));
  if (auto got = file.read_at(offset, front); !got) return got.error();
  return std::span<const std::byte>(front);
}

Result<std::optional<Piece>> measure_gzip_member(RandomSource& file, uint64_t offset) {
  std::array<std::byte, kMemberHeaderBytes> room;
  auto front = read_front(file, offset, room);
  if (!front) return front.error();
  if (!gzip_codec().can_begin(*front)) return damaged("gzip member", offset);
  auto unit = gzip_codec().find_unit(*front, false);
  if (!unit) return unit.error();
  if (unit->kind == FoundUnit::Kind::Skippable) return std::optional(Piece{unit->length});
  // A member of ours wants to be seen whole, and says how long it is.
  if (unit->kind != FoundUnit::Kind::NeedsMore || unit->length <= front->size()) {
    return std::optional<Piece>();
  }
  std::array<std::byte, kMemberTrailerBytes> trailer;
  auto got = file.read_at(offset + unit->length - trailer.size(), trailer);
  if (!got) return got.error();
  return std::optional(Piece{unit->length, read_le32(trailer, 4), read_le32(trailer, 0)});
}

// What the byte behind the magic says about a zstd frame.
struct FrameDescriptor {
  uint32_t bits = 0;
  bool has_checksum() const { return (bits & 0x04) != 0; }
  size_t header_bytes() const {
    constexpr std::array<size_t, 4> kDictionaryBytes{0, 1, 2, 4};
    constexpr std::array<size_t, 4> kContentSizeBytes{0, 2, 4, 8};
    bool single_segment = (bits & 0x20) != 0;
    size_t content_size = kContentSizeBytes[bits >> 6];
    if (single_segment && content_size == 0) content_size = 1;
    return 4 + 1 + (single_segment ? 0 : 1) + kDictionaryBytes[bits & 3] + content_size;
  }
};

// Where the blocks that begin at `offset` end. Empty: there are more of them than a frame that can
// be decoded whole needs.
Result<std::optional<uint64_t>> find_end_of_blocks(RandomSource& file, uint64_t offset) {
  constexpr size_t kMostBlocks = 1024;
  constexpr uint32_t kRunLength = 1;  // a block of one byte, whatever it says
  for (size_t i = 0; i < kMostBlocks; ++i) {
    std::array<std::byte, 4> header{};
    if (auto got = file.read_at(offset, std::span(header).first(3)); !got) return got.error();
    uint32_t value = read_le32(header, 0);
    bool is_run = (value >> 1 & 3) == kRunLength;
    offset += 3 + (is_run ? 1 : value >> 3);
    if ((value & 1) != 0) return std::optional(offset);
  }
  return std::optional<uint64_t>();
}

Result<std::optional<Piece>> measure_zstd_frame(RandomSource& file, uint64_t offset) {
  constexpr size_t kLongestHeader = 18;
  constexpr size_t kChecksumBytes = 4;
  std::array<std::byte, kLongestHeader> room;
  auto front = read_front(file, offset, room);
  if (!front) return front.error();
  constexpr size_t kShortest = 9;
  if (front->size() < 8 || !zstd_codec().can_begin(*front)) return damaged("zstd frame", offset);
  if (read_le32(*front, 0) != ZSTD_MAGICNUMBER) {
    return std::optional(Piece{8 + uint64_t{read_le32(*front, 4)}});
  }
  auto content = ZSTD_getFrameContentSize(front->data(), front->size());
  if (content == ZSTD_CONTENTSIZE_ERROR || front->size() < kShortest) {
    return damaged("zstd frame", offset);
  }
  if (content > kMaxUnitBytes) return std::optional<Piece>();  // or not said
  FrameDescriptor descriptor{std::to_integer<uint32_t>((*front)[4])};
  auto end = find_end_of_blocks(file, offset + descriptor.header_bytes());
  if (!end) return end.error();
  if (!*end) return std::optional<Piece>();
  Piece piece{**end - offset, content};
  if (descriptor.has_checksum()) {
    std::array<std::byte, kChecksumBytes> check;
    if (auto got = file.read_at(**end, check); !got) return got.error();
    piece.packed_length += check.size();
    piece.check = read_le32(check, 0);
  }
  return std::optional(piece);
}

using Measure = Result<std::optional<Piece>> (*)(RandomSource& file, uint64_t offset);

Result<std::optional<BlockTable>> walk(RandomSource& file, Measure measure) {
  BlockTable table;
  uint64_t gap = 0;  // bytes since the last piece that holds something
  for (uint64_t offset = 0; offset < file.length();) {
    auto piece = measure(file, offset);
    if (!piece) {
      Error error = piece.error();
      if (!error.file_offset) error.file_offset = offset;
      return error;
    }
    if (!*piece || table.size() == kMaxPackedBlocks) return std::optional<BlockTable>();
    auto [packed, plain, check] = **piece;
    if (packed > file.length() - offset) {
      return Error{.code = Errc::Truncated,
                   .message = fmt::format("a piece of {} bytes, {} are left in the file", packed,
                                          file.length() - offset),
                   .file_offset = offset};
    }
    offset += packed;
    if (plain == 0) {
      gap += packed;
      continue;
    }
    if (packed > UINT32_MAX || plain > kMaxUnitBytes) return std::optional<BlockTable>();
    table.append_gap(std::exchange(gap, 0));
    table.append(static_cast<uint32_t>(plain), static_cast<uint32_t>(packed), check);
  }
  return std::optional(std::move(table));
}

}  // namespace

Result<std::optional<BlockTable>> find_blocks(Coding coding, RandomSource& file) {
  if (coding == Coding::Gzip) return walk(file, measure_gzip_member);
  if (coding == Coding::Zstd) return walk(file, measure_zstd_frame);
  return std::optional<BlockTable>();
}

}  // namespace vmstream
