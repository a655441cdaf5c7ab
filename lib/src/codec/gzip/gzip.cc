// SPDX-License-Identifier: MIT
// gzip: a member a block (gzip_member.h).
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "codec/blocks/block_codec.h"
#include "codec/gzip/deflate.h"
#include "codec/gzip/gzip_member.h"
#include "codec/trailer/trailer.h"
#include "codec/trailer/trailer_wrap.h"

namespace vmstream {
namespace {

constexpr size_t kBlockBytes = 1024 * 1024;
// A member of ours can hardly grow over its content; more than this is no length.
constexpr size_t kMaxMemberBytes = kMaxUnitBytes + 64 * 1024;

// The length of the member if it is one of our trailer, which holds no data; else 0.
size_t wrapping_length(std::span<const std::byte> front) {
  constexpr size_t kContentLengthAt = 14;
  size_t content_bytes = read_le16(front, kContentLengthAt);
  for (WrapKind kind : {WrapKind::Index, WrapKind::Locator}) {
    TrailerWrap wrap(Coding::Gzip);
    auto prefix = wrap.prefix(kind, content_bytes);
    if (std::ranges::equal(prefix, front.first(prefix.size()))) {
      return content_bytes + wrap.overhead_bytes();
    }
  }
  return 0;
}

class GzipCompressor final : public BlockCompressor {
 public:
  explicit GzipCompressor(int level) : deflater_(make_deflater(level)) {}

  Status compress(std::span<const std::byte> plain, Buffer& packed) override {
    packed.clear();
    packed.reserve(kMemberHeaderBytes + deflater_->bound(plain.size()) + kMemberTrailerBytes);
    auto room = packed.room();
    auto body =
        room.subspan(kMemberHeaderBytes, room.size() - kMemberHeaderBytes - kMemberTrailerBytes);
    size_t deflated = deflater_->deflate(plain, body);
    if (deflated == 0) return Error{Errc::Environment, "gzip: the compressor failed"};
    size_t length = kMemberHeaderBytes + deflated + kMemberTrailerBytes;
    auto member = room.first(length);
    std::ranges::copy(std::as_bytes(std::span(kMemberStart)), member.begin());
    write_le32(member, length - 8, crc32_of(plain));
    write_le32(member, length - 4, static_cast<uint32_t>(plain.size()));
    write_le32(member, kMemberLengthAt, static_cast<uint32_t>(length));
    write_le32(member, kMemberCheckAt, crc32_of(member.subspan(kMemberHeaderBytes)));
    packed.extend(length);
    return ok();
  }

 private:
  std::unique_ptr<Deflater> deflater_;
};

// Decodes members of ours, whose lengths find_unit() has looked at.
class GzipUnitDecoder final : public UnitDecoder {
 public:
  Result<bool> decode(std::span<const std::byte> packed, Buffer& plain) override {
    uint32_t check = crc32_of(packed.subspan(kMemberHeaderBytes));
    uint32_t wanted = read_le32(packed, kMemberCheckAt);
    if (check != wanted) {
      return malformed_member(
          fmt::format("checksum of its bytes found {:#010x}, want {:#010x}", check, wanted));
    }
    auto trailer = packed.last(kMemberTrailerBytes);
    size_t plain_bytes = read_le32(trailer, 4);
    plain.clear();
    plain.reserve(plain_bytes);
    auto out = plain.room().first(plain_bytes);
    auto body = packed.subspan(kMemberHeaderBytes,
                               packed.size() - kMemberHeaderBytes - kMemberTrailerBytes);
    if (!inflater_->inflate(body, out)) {
      return malformed_member(
          fmt::format("its data are damaged or not {} bytes long", plain_bytes));
    }
    auto verified = check_member_trailer(trailer, crc32_of(out), plain_bytes);
    if (!verified) return verified.error();
    plain.extend(plain_bytes);
    return true;
  }

 private:
  std::unique_ptr<BlockInflater> inflater_ = make_block_inflater();
};

class GzipCodec final : public BlockCodec {
 public:
  std::string_view unit_name() const override { return "gzip member"; }
  bool can_begin(std::span<const std::byte> front) const override {
    auto start = std::as_bytes(std::span(kMemberStart)).first(magic_bytes());
    size_t count = std::min(front.size(), start.size());
    return std::ranges::equal(front.first(count), start.first(count));
  }
  size_t magic_bytes() const override { return 3; }

  size_t block_bytes(int) const override { return kBlockBytes; }
  std::unique_ptr<BlockCompressor> make_compressor(int level, const WaitLimits&) const override {
    return std::make_unique<GzipCompressor>(level);
  }

  Result<FoundUnit> find_unit(std::span<const std::byte> front, bool at_end) const override {
    if (front.size() < kMemberHeaderBytes) {
      if (at_end) return FoundUnit{FoundUnit::Kind::Long};
      return FoundUnit{FoundUnit::Kind::NeedsMore, kMemberHeaderBytes};
    }
    if (size_t length = wrapping_length(front); length != 0) {
      return FoundUnit{FoundUnit::Kind::Skippable, length};
    }
    int distance = count_wrong_bits(front, std::as_bytes(std::span(kMemberStart)));
    if (distance > kDamageBits) return FoundUnit{FoundUnit::Kind::Long};
    if (distance > 0) return malformed_member("its header is damaged");
    size_t length = read_le32(front, kMemberLengthAt);
    if (length <= kMemberHeaderBytes + kMemberTrailerBytes || length > kMaxMemberBytes) {
      return malformed_member(fmt::format("its header says {} bytes, want {} to {}", length,
                                          kMemberHeaderBytes + kMemberTrailerBytes + 1,
                                          kMaxMemberBytes));
    }
    if (front.size() < length) return FoundUnit{FoundUnit::Kind::NeedsMore, length};
    size_t plain_bytes = read_le32(front, length - 4);
    if (plain_bytes > kMaxUnitBytes) {
      return malformed_member(
          fmt::format("its trailer says {} bytes, want at most {}", plain_bytes, kMaxUnitBytes));
    }
    return FoundUnit{FoundUnit::Kind::Whole, length, plain_bytes};
  }

  uint32_t check_of(std::span<const std::byte> unit) const override {
    return unit.size() < kMemberTrailerBytes ? 0 : read_le32(unit.last(kMemberTrailerBytes), 0);
  }
  uint32_t checksum(std::span<const std::byte> plain) const override { return crc32_of(plain); }
  bool has_trailer() const override { return true; }
  std::optional<uint32_t> file_checksum_of(std::span<const std::byte> unit) const override {
    return read_file_checksum(Coding::Gzip, unit);
  }
  std::unique_ptr<UnitDecoder> make_unit_decoder() const override {
    return std::make_unique<GzipUnitDecoder>();
  }
  std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned) const override {
    return make_gzip_stream_decoder();
  }
  void list_engines(std::vector<std::string>& names) const override { list_deflate_engines(names); }
};

}  // namespace

Error malformed_member(std::string_view what) {
  return Error{Errc::Malformed, fmt::format("gzip member: {}", what)};
}

Status check_member_trailer(std::span<const std::byte> trailer, uint32_t crc,
                            uint64_t plain_bytes) {
  uint32_t wanted_crc = read_le32(trailer, 0);
  if (crc != wanted_crc) {
    return malformed_member(fmt::format("checksum found {:#010x}, want {:#010x}", crc, wanted_crc));
  }
  uint32_t length = static_cast<uint32_t>(plain_bytes);  // modulo 2^32, as gzip counts
  uint32_t wanted_length = read_le32(trailer, 4);
  if (length != wanted_length) {
    return malformed_member(fmt::format("length found {}, want {}", length, wanted_length));
  }
  return ok();
}

const BlockCodec& gzip_codec() {
  static const GzipCodec codec;
  return codec;
}

}  // namespace vmstream
