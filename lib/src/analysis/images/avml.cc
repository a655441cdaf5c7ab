// SPDX-License-Identifier: MIT
// AVML, version 2: ranges of memory in frames of snappy. The chunks stand there as they are: a
// reader of the form takes them, and no library is needed.
#include <array>

#include "analysis/images/byte_order.h"
#include "analysis/images/image_parts.h"
#include "base/endian.h"
#include "base/zero.h"

namespace vmstream {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // CRC-32C, bits in reverse
constexpr size_t kChunkBytes = 64 * 1024;
constexpr size_t kSlices = 8;

using CrcTables = std::array<std::array<uint32_t, 256>, kSlices>;

constexpr CrcTables make_tables() {
  CrcTables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < kSlices; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr CrcTables kTables = make_tables();

uint32_t crc32c(std::span<const std::byte> bytes) {
  uint32_t crc = ~0u;
  while (bytes.size() >= kSlices) {
    uint32_t low = read_le32(bytes, 0) ^ crc;
    uint32_t high = read_le32(bytes, 4);
    crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][high >> 8 & 0xff] ^
          kTables[1][high >> 16 & 0xff] ^ kTables[0][high >> 24];
    bytes = bytes.subspan(kSlices);
  }
  for (std::byte byte : bytes) {
    crc = crc >> 8 ^ kTables[0][(crc ^ std::to_integer<uint32_t>(byte)) & 0xff];
  }
  return ~crc;
}

uint32_t masked(uint32_t crc) {
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

// A range with its header and its length behind it; nothing where all of it is zero.
struct Packed {
  Buffer bytes;
  size_t memory_bytes = 0;
  uint64_t absent_pages = 0;
};

void append(Buffer& out, const std::vector<std::byte>& bytes) {
  out.append(bytes);
}

Packed pack(const MemoryPiece& piece) {
  constexpr uint32_t kMagic = 0x4c4d5641;
  constexpr size_t kChunkHead = 8;
  Packed packed{{}, piece.length, piece.absent_pages};
  auto rest = piece.bytes.view();
  if (is_zero(rest)) return packed;
  size_t chunks = (rest.size() + kChunkBytes - 1) / kChunkBytes;
  packed.bytes.reserve(rest.size() + chunks * kChunkHead + 64);
  append(packed.bytes, OrderedBytes()
                           .u32(kMagic)
                           .u32(2)
                           .u64(piece.address)
                           .u64(piece.address + piece.length - 1)
                           .u64(0)
                           .take());
  size_t begin = packed.bytes.size();
  append(packed.bytes, OrderedBytes().number(0xff, 1).number(6, 3).text("sNaPpY", 6).take());
  while (!rest.empty()) {
    auto chunk = rest.first(std::min(kChunkBytes, rest.size()));
    append(
        packed.bytes,
        OrderedBytes().number(1, 1).number(chunk.size() + 4, 3).u32(masked(crc32c(chunk))).take());
    packed.bytes.append(chunk);
    rest = rest.subspan(chunk.size());
  }
  append(packed.bytes, OrderedBytes().u64(packed.bytes.size() - begin).take());
  return packed;
}

}  // namespace

Status write_avml(ImageJob& job, ImageSink& out) {
  uint64_t position = 0;
  auto work = [](const MemoryPiece& piece, PieceReader&) -> Result<Packed> { return pack(piece); };
  auto take = [&](const Packed& packed) -> Status {
    job.info.memory_bytes += packed.memory_bytes;
    job.info.absent_pages += packed.absent_pages;
    uint64_t at = position;
    position += packed.bytes.size();
    return out.put(at, packed.bytes.view());
  };
  auto done = for_each_piece<Packed>(job.file, job.map, job.stretches, job.options, work, take);
  return done ? out.end(position) : done;
}

}  // namespace vmstream
