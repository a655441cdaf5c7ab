// SPDX-License-Identifier: MIT
// The gzip member as we write it, and what tells it from those of other programs.
//
//   0   1f 8b 08 04             magic, deflate, "there is an extra field"
//   4   00 00 00 00 00 ff       no time, no hints, unknown system
//   10  0c 00                   length of the extra field
//   12  'V' 'S' 08 00           its one subfield, 8 bytes long:
//   16  le32 member_length      of the whole member, header and trailer included
//   20  le32 check              CRC-32 of the member from byte 24 to its end
//   24  deflate data
//       le32 CRC-32 of the plain bytes, le32 their number
//
// The length lets a reader go from member to member without decoding (as BGZF does, in a wider
// field). The check covers the bits that neither deflate nor the trailer look at.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/endian.h"
#include "codec/blocks/block_codec.h"
#include "codec/trailer/trailer_wrap.h"

namespace vmstream {

/// Up to the member's length: kGzipFront, and the head of the extra field.
inline constexpr auto kMemberStart = [] {
  constexpr std::array<uint8_t, 6> kField{0x0c, 0, 'V', 'S', 8, 0};
  std::array<uint8_t, kGzipFront.size() + kField.size()> start{};
  std::ranges::copy(kField, std::ranges::copy(kGzipFront, start.begin()).out);
  return start;
}();
constexpr size_t kMemberLengthAt = 16;
constexpr size_t kMemberCheckAt = 20;
constexpr size_t kMemberHeaderBytes = 24;
constexpr size_t kMemberTrailerBytes = 8;

/// What is wrong with a member.
Error malformed_member(std::string_view what);

/// The content of a member's trailer against what was decoded.
Status check_member_trailer(std::span<const std::byte> trailer, uint32_t crc, uint64_t plain_bytes);

std::unique_ptr<StreamDecoder> make_gzip_stream_decoder();

const BlockCodec& gzip_codec();

}  // namespace vmstream
