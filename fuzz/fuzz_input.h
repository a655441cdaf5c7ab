// SPDX-License-Identifier: MIT
// What the fuzz targets share: bytes that arrive in pieces, small limits, and claims about them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include <vmstream/byte_source.h>
#include <vmstream/parser.h>

namespace fuzz {

/// Small enough that inputs of a few KiB reach them.
inline constexpr vmstream::ParseLimits kLimits = {.device_tail_bytes = 64 << 10,
                                                  .vmdesc_bytes = 64 << 10,
                                                  .package_bytes = 64 << 10,
                                                  .mapped_bitmap_bytes = 64 << 10,
                                                  .sections = 256,
                                                  .ram_blocks = 64};

/// The last byte of an input chooses in what pieces the rest is read a second time: the size of
/// the pieces must change nothing.
struct Input {
  Input(const uint8_t* data, size_t size)
      : bytes(reinterpret_cast<const std::byte*>(data), size > 0 ? size - 1 : 0),
        piece(size > 0 ? size_t{1} + data[size - 1] : 1) {}

  std::span<const std::byte> bytes;
  size_t piece;
};

/// A finding, if `condition` does not hold.
inline void require(bool condition) {
  if (!condition) std::abort();
}

/// The bytes of an input, `piece` at a time.
class PieceSource final : public vmstream::ByteSource {
 public:
  PieceSource(std::span<const std::byte> bytes, size_t piece) : rest_(bytes), piece_(piece) {}

  vmstream::Result<size_t> read(std::span<std::byte> into) override {
    auto bytes = take(into.size());
    std::ranges::copy(bytes, into.begin());
    return bytes.size();
  }
  vmstream::Result<std::span<const std::byte>> next() override { return take(piece_); }

 private:
  std::span<const std::byte> take(size_t most) {
    auto bytes = rest_.first(std::min({most, piece_, rest_.size()}));
    rest_ = rest_.subspan(bytes.size());
    return bytes;
  }

  std::span<const std::byte> rest_;
  size_t piece_;
};

}  // namespace fuzz
