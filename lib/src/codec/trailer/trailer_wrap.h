// SPDX-License-Identifier: MIT
// Bytes of ours in a place that every gzip and zstd decoder passes over.
//
//   gzip: an empty member whose extra field holds one subfield, named by what it holds
//           1f 8b 08 04  00 00 00 00 00 ff      as in gzip_member.h
//           le16 length + 4                     of the extra field
//           'V' kind  le16 length  bytes
//           03 00  00 00 00 00  00 00 00 00     no data, their checksum, their number
//   zstd: a skippable frame
//           le32 184d2a56  le32 length + 4
//           'V' 'S' 'T' kind  bytes
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <vmstream/codec.h>
#include <vmstream/random_source.h>

namespace vmstream {

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
