// SPDX-License-Identifier: MIT
#include "codec/trailer/block_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/endian.h"
#include "base/hash.h"
#include "codec/trailer/trailer_wrap.h"

namespace vmstream {
namespace {

constexpr uint32_t kSkippableMagic = 0x184d2a5e;  // the one of the table

bool is_skippable(uint32_t magic) {
  return magic >> 4 == kSkippableMagic >> 4;
}

// A frame whose header says that it has no content, as the encoder writes it for an empty stream.
bool is_empty_frame(std::span<const std::byte> front) {
  constexpr uint32_t kFrameMagic = 0xfd2fb528;
  constexpr std::byte kSizeAndDictionary{0xe3};
  constexpr std::byte kSizeOfOneByte{0x20};
  return read_le32(front, 0) == kFrameMagic && (front[4] & kSizeAndDictionary) == kSizeOfOneByte &&
         front[5] == std::byte{0};
}

constexpr uint32_t kSeekableMagic = 0x8f92eab1;
constexpr size_t kHeaderBytes = 8;
constexpr size_t kFooterBytes = 9;
constexpr uint32_t kChecksumFlag = 0x80;
constexpr uint32_t kReservedBits = 0x7c;
constexpr uint32_t kChecksumOfNothing = 0x51d8e999;  // what the XXH64 of no bytes ends in
constexpr size_t kShortestFrame = 8;                 // an empty skippable one
constexpr size_t kEntriesAtOnce = 4096;

Error malformed(uint64_t file_offset, std::string_view what) {
  return Error{.code = Errc::Malformed,
               .message = fmt::format("zstd seek table: {}", what),
               .file_offset = file_offset};
}

// Header and footer of a table, which say the same in part.
struct Frame {
  uint64_t entries = 0;
  size_t entry_bytes = 0;
  uint64_t length = 0;
};

class SeekTableReader {
 public:
  explicit SeekTableReader(RandomSource& file) : file_(file) {}

  Result<std::optional<SeekTable>> read() {
    auto found = find_frame();
    if (!found) return found.error();
    if (!*found) return std::optional<SeekTable>();
    frame_ = **found;
    if (frame_.entries > kMaxPackedBlocks) {
      return Error{.code = Errc::Unsupported,
                   .message = fmt::format("zstd seek table: {} frames, more than {}",
                                          frame_.entries, kMaxPackedBlocks),
                   .file_offset = start()};
    }
    table_.file_offset = start();
    if (auto done = read_entries(); !done) return done.error();
    if (frames_end_ != start()) {
      return malformed(start(), fmt::format("its frames make {} bytes, {} stand before it",
                                            frames_end_, start()));
    }
    if (fault_) return *fault_;
    return std::optional(std::move(table_));
  }

 private:
  uint64_t start() const { return file_.length() - frame_.length; }

  Result<std::optional<Frame>> find_frame() {
    constexpr size_t kShortest = kHeaderBytes + kFooterBytes;
    std::optional<Frame> none;
    std::array<std::byte, kFooterBytes> footer;
    if (file_.length() < kShortest) return none;
    uint64_t footer_at = file_.length() - footer.size();
    if (auto got = file_.read_at(footer_at, footer); !got) return got.error();
    int wrong_bits = std::popcount(read_le32(footer, 5) ^ kSeekableMagic);
    if (wrong_bits > kDamageBits) return none;

    auto descriptor = std::to_integer<uint32_t>(footer[4]);
    Frame frame{.entries = read_le32(footer, 0),
                .entry_bytes = (descriptor & kChecksumFlag) != 0 ? 12U : 8U};
    frame.length = kShortest + frame.entries * frame.entry_bytes;
    bool fits = frame.length <= file_.length() && has_header(frame);
    if (wrong_bits > 0 && !fits) return none;
    if (wrong_bits > 0 || !fits) return malformed(footer_at, "its header or its end is damaged");
    if ((descriptor & kReservedBits) != 0) {
      return Error{.code = Errc::Unsupported,
                   .message = fmt::format(
                       "zstd seek table: descriptor {:#04x} is of a newer format", descriptor),
                   .file_offset = footer_at};
    }
    return std::optional(frame);
  }

  bool has_header(const Frame& frame) {
    std::array<std::byte, kHeaderBytes> header;
    if (!file_.read_at(file_.length() - frame.length, header)) return false;
    return read_le32(header, 0) == kSkippableMagic &&
           read_le32(header, 4) == frame.length - kHeaderBytes;
  }

  Status read_entries() {
    std::vector<std::byte> bytes(kHeaderBytes);
    if (auto got = file_.read_at(start(), bytes); !got) return got;
    table_.crc = crc32_of(bytes);
    uint64_t at = start() + bytes.size();
    for (uint64_t left = frame_.entries; left > 0;) {
      uint64_t count = std::min<uint64_t>(left, kEntriesAtOnce);
      bytes.resize(static_cast<size_t>(count) * frame_.entry_bytes);
      if (auto got = file_.read_at(at, bytes); !got) return got;
      table_.crc = crc32_of(bytes, table_.crc);
      if (auto taken = take_entries(bytes, at); !taken) return taken;
      at += bytes.size();
      left -= count;
    }
    bytes.resize(kFooterBytes);
    if (auto got = file_.read_at(at, bytes); !got) return got;
    table_.crc = crc32_of(bytes, table_.crc);
    return ok();
  }

  Status take_entries(std::span<const std::byte> bytes, uint64_t at) {
    for (; !bytes.empty(); bytes = bytes.subspan(frame_.entry_bytes), at += frame_.entry_bytes) {
      uint32_t packed = read_le32(bytes, 0);
      uint32_t plain = read_le32(bytes, 4);
      if (packed < kShortestFrame || packed > start() - frames_end_) {
        return malformed(at, fmt::format("a frame of {} bytes at {:#x}, the table is at {:#x}",
                                         packed, frames_end_, start()));
      }
      if (plain == 0) {
        if (auto skipped = skip(packed, at); !skipped) return skipped;
        continue;
      }
      frames_end_ += packed;
      uint32_t check = frame_.entry_bytes == 12 ? read_le32(bytes, 8) : 0;
      if (!table_.blocks.append_gap(std::exchange(gap_, 0)) ||
          !table_.blocks.append(plain, packed, check)) {
        return malformed(at, "its lengths overflow");
      }
    }
    return ok();
  }

  // What is said to hold nothing must be frames that every reader skips, or an empty one: else a
  // reader by position would leave out what one from front to end meets. Told once it is known that
  // the table is of this file at all.
  Status skip(uint32_t packed, uint64_t at) {
    uint64_t end = frames_end_ + packed;
    while (frames_end_ < end && !fault_) {
      std::array<std::byte, kHeaderBytes> header;
      if (auto got = file_.read_at(frames_end_, header); !got) return got;
      uint64_t length = kHeaderBytes + uint64_t{read_le32(header, 4)};
      if (is_empty_frame(header)) length = end - frames_end_;
      bool is_skipped = is_empty_frame(header) || is_skippable(read_le32(header, 0));
      if (!is_skipped || length > end - frames_end_) {
        fault_ = malformed(at, fmt::format("the frame at {:#x} is said to hold nothing, and is "
                                           "none that is skipped",
                                           frames_end_));
      }
      frames_end_ += length;
    }
    frames_end_ = end;
    gap_ += packed;
    return ok();
  }

  RandomSource& file_;
  Frame frame_;
  SeekTable table_;
  uint64_t frames_end_ = 0;
  std::optional<Error> fault_;
  uint64_t gap_ = 0;  // bytes since the last frame that holds something
};

}  // namespace

bool BlockTable::append(uint32_t plain_length, uint32_t packed_length, uint32_t check) {
  if (plain_length > UINT64_MAX - plain_end_ || packed_length > UINT64_MAX - file_end_) {
    return false;
  }
  entries_.push_back({plain_end_, file_end_});
  packed_.push_back({packed_length, check});
  plain_end_ += plain_length;
  file_end_ += packed_length;
  return true;
}

bool BlockTable::append_gap(uint64_t file_bytes) {
  if (file_bytes > UINT64_MAX - file_end_) return false;
  file_end_ += file_bytes;
  return true;
}

PackedBlock BlockTable::operator[](size_t number) const {
  const Entry& entry = entries_[number];
  uint64_t plain_end = number + 1 < size() ? entries_[number + 1].plain_offset : plain_end_;
  return {.plain_offset = entry.plain_offset,
          .file_offset = entry.file_offset,
          .plain_length = static_cast<uint32_t>(plain_end - entry.plain_offset),
          .packed_length = packed_[number].length,
          .check = packed_[number].check};
}

std::optional<size_t> BlockTable::find(uint64_t plain_offset) const {
  if (plain_offset >= plain_end_) return std::nullopt;
  auto behind = std::ranges::upper_bound(entries_, plain_offset, {}, &Entry::plain_offset);
  return static_cast<size_t>(behind - entries_.begin()) - 1;
}

std::vector<std::byte> make_seek_table(const BlockTable& blocks,
                                       std::span<const uint32_t> skippable_lengths) {
  constexpr size_t kEntryBytes = 12;
  std::vector<std::byte> bytes;
  bytes.reserve(kHeaderBytes + (blocks.size() + skippable_lengths.size() + 1) * kEntryBytes +
                kFooterBytes);
  append_le(bytes, kSkippableMagic, 4);
  append_le(bytes, 0, 4);
  auto add = [&bytes](uint64_t packed, uint32_t plain, uint32_t check) {
    append_le(bytes, packed, 4);
    append_le(bytes, plain, 4);
    append_le(bytes, check, 4);
  };
  uint64_t end = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    PackedBlock block = blocks[i];
    if (block.file_offset > end) add(block.file_offset - end, 0, kChecksumOfNothing);
    add(block.packed_length, block.plain_length, block.check);
    end = block.file_offset + block.packed_length;
  }
  if (blocks.file_length() > end) add(blocks.file_length() - end, 0, kChecksumOfNothing);
  for (uint32_t length : skippable_lengths) add(length, 0, kChecksumOfNothing);
  size_t entries = (bytes.size() - kHeaderBytes) / kEntryBytes;
  append_le(bytes, entries, 4);
  append_le(bytes, kChecksumFlag, 1);
  append_le(bytes, kSeekableMagic, 4);
  write_le32(bytes, 4, static_cast<uint32_t>(bytes.size() - kHeaderBytes));
  return bytes;
}

Result<std::optional<SeekTable>> read_seek_table(RandomSource& file) {
  return SeekTableReader(file).read();
}

}  // namespace vmstream
