// SPDX-License-Identifier: MIT
// Bytes of ours in a place that every gzip and zstd decoder passes over.
//
//   gzip: an empty member whose extra field holds one subfield, named by what it holds
//           1f 8b 08 04  00 00 00 00 00 ff      kGzipFront
//           le16 length + 4                     of the extra field
//           'V' kind  le16 length  bytes
//           03 00  00 00 00 00  00 00 00 00     no data, their checksum, their number
//   zstd: a skippable frame
//           le32 184d2a56  le32 length + 4
//           'V' 'S' 'T' kind  bytes
//
// Bytes of ours that are damaged are told here from those that are something else, too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <vmstream/codec.h>
#include <vmstream/random_source.h>

namespace vmstream {

/// How each gzip member of ours begins: magic, deflate, "there is an extra field"; no time, no
/// hints, unknown system.
inline constexpr std::array<uint8_t, 10> kGzipFront{0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff};

/// Bytes that differ in so few bits from what they would be are that, damaged: by chance this does
/// not happen.
inline constexpr int kDamageBits = 2;

/// Bits in which the front of `found` differs from all of `wanted`, which is not longer.
int count_wrong_bits(std::span<const std::byte> found, std::span<const std::byte> wanted);

/// What a wrapping holds.
enum class WrapKind : char { Index = 'I', Locator = 'L' };

/// The wrapping of one coding.
class TrailerWrap {
 public:
  /// `coding` is Gzip or Zstd.
  explicit TrailerWrap(Coding coding) : coding_(coding) {}

  /// What stands before and behind `content_bytes` of content.
  std::vector<std::byte> prefix(WrapKind kind, size_t content_bytes) const;
  std::span<const std::byte> suffix() const;

  size_t prefix_bytes() const;
  size_t overhead_bytes() const { return prefix_bytes() + suffix().size(); }
  /// Content that is put into one wrapping, and the most that may stand in one.
  size_t usual_content_bytes() const;
  size_t most_content_bytes() const;

 private:
  Coding coding_;
};

/// Content that is spread over wrappings, one behind the other from `file_offset` on.
struct WrappedStretch {
  uint64_t file_offset = 0;
  uint64_t content_length = 0;
  uint32_t content_bytes_each = 0;

  /// Bytes in the file. The caller has made sure that content_length is below 2^62.
  uint64_t file_length(const TrailerWrap& wrap) const;
};

/// The content of `stretch` in `file` (borrowed). Each wrapping is checked when it is read.
std::unique_ptr<RandomSource> make_unwrapping_source(TrailerWrap wrap, RandomSource& file,
                                                     const WrappedStretch& stretch);

}  // namespace vmstream
