// SPDX-License-Identifier: MIT
// lzop, for reading: the files of lzop 0.94 (1997) and later.
//
// A part is a magic, a header with a checksum of its own, then blocks: be32 plain length, be32
// packed length, checksums, data. A plain length of 0 ends the part, and another may follow. Which
// checksums there are is for the header to say. A block that did not become smaller is stored.
#include <fmt/format.h>
#include <zlib.h>
#ifdef VMSTREAM_HAVE_LZO
#include <lzo/lzo1x.h>
#endif

#include <algorithm>
#include <array>
#include <string_view>

#include "base/byte_reader.h"
#include "base/hash.h"
#include "codec/blocks/shown_block.h"
#include "codec/codecs.h"

namespace vmstream {
namespace {

constexpr std::array<uint8_t, 9> kMagic{0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n'};
constexpr uint16_t kNewestVersion = 0x1040;  // that of lzop 1.04; no file needs it
constexpr uint8_t kLastMethod = 3;           // 1 to 3 are ways to pack for one way to unpack
constexpr uint32_t kMostFilter = 16;
constexpr uint32_t kMostExtraBytes = 64 * 1024;  // no lzop writes any
constexpr uint32_t kMostBlockBytes = 64 * 1024 * 1024;
constexpr uint32_t kSplitFile = 0xffffffff;  // in the place of a plain length

enum class Flag : uint32_t {
  AdlerOfPlain = 0x0001,
  AdlerOfPacked = 0x0002,
  ExtraField = 0x0040,
  CrcOfPlain = 0x0100,
  CrcOfPacked = 0x0200,
  Filter = 0x0800,
  HeaderCrc = 0x1000,
};
constexpr uint32_t kKnownFlags = 0xfff03fff;  // with those of the sender's system and characters

Error damaged(std::string what) {
  return Error{Errc::Malformed, fmt::format("lzop part: {}", what)};
}
Error unsupported(std::string what) {
  return Error{Errc::Unsupported, fmt::format("lzop part: {}", what)};
}

uint32_t adler32_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(
      ::adler32_z(1, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Status compare(std::string_view what, uint32_t found, uint32_t wanted) {
  if (found == wanted) return ok();
  return damaged(fmt::format("checksum of {} found {:#010x}, want {:#010x}", what, found, wanted));
}

// What of a header matters to who unpacks.
struct PartHeader {
  uint32_t flags = 0;
  uint32_t filter = 0;

  bool has(Flag flag) const { return (flags & static_cast<uint32_t>(flag)) != 0; }
};

// A checksum as the header's flags want it, read where it stands.
Status check_sum(ByteReader& in, const PartHeader& header, std::string_view what,
                 std::span<const std::byte> bytes) {
  uint32_t wanted = in.be<uint32_t>("checksum");
  if (!in.ok()) return in.error();
  return compare(what, header.has(Flag::HeaderCrc) ? crc32_of(bytes) : adler32_of(bytes), wanted);
}

Status check_version(uint16_t needed) {
  if (needed <= kNewestVersion) return ok();
  return unsupported(
      fmt::format("needs version {:#06x}, want {:#06x} or earlier", needed, kNewestVersion));
}

Status check_kind(const PartHeader& header, uint8_t method) {
  if (method == 0 || method > kLastMethod) {
    return unsupported(fmt::format("packed by method {}, want 1 to {}", method, kLastMethod));
  }
  if ((header.flags & ~kKnownFlags) != 0) {
    return unsupported(
        fmt::format("flags {:#010x}, want none beyond {:#010x}", header.flags, kKnownFlags));
  }
  if (header.filter <= kMostFilter) return ok();
  return unsupported(fmt::format("filter {}, want 0 to {}", header.filter, kMostFilter));
}

Status read_extra_field(ByteReader& in, const PartHeader& header) {
  if (!header.has(Flag::ExtraField)) return ok();
  auto front = in.rest();
  uint32_t length = in.be<uint32_t>("length of the extra field");
  if (length > kMostExtraBytes) {
    return unsupported(
        fmt::format("an extra field of {} bytes, want {} at most", length, kMostExtraBytes));
  }
  in.bytes(length, "extra field");
  return check_sum(in, header, "the extra field", front.first(front.size() - in.remaining()));
}

// With the magic, and the extra field behind. Its checksum comes first: of a header that is damaged
// nothing is believed.
Result<PartHeader> read_header(ByteReader& in) {
  PartHeader header;
  in.bytes(kMagic.size(), "magic");
  auto front = in.rest();
  in.be<uint16_t>("version");
  in.be<uint16_t>("version of the library");
  uint16_t needed = in.be<uint16_t>("version that is needed");
  uint8_t method = in.be<uint8_t>("method");
  in.be<uint8_t>("level");
  header.flags = in.be<uint32_t>("flags");
  if (header.has(Flag::Filter)) header.filter = in.be<uint32_t>("filter");
  in.be<uint32_t>("mode");
  in.be<uint64_t>("time");
  in.counted_string("name");
  auto checked = front.first(front.size() - in.remaining());
  if (auto good = check_sum(in, header, "the header", checked); !good) return good.error();
  if (auto good = check_version(needed); !good) return good.error();
  if (auto good = check_kind(header, method); !good) return good.error();
  if (auto good = read_extra_field(in, header); !good) return good.error();
  return header;
}

// What stands in front of a block's data.
struct BlockHeader {
  uint32_t plain_bytes = 0;  // 0: the part ends
  uint32_t packed_bytes = 0;
  std::optional<uint32_t> adler_of_plain = {};
  std::optional<uint32_t> crc_of_plain = {};
  std::optional<uint32_t> adler_of_packed = {};
  std::optional<uint32_t> crc_of_packed = {};

  bool is_stored() const { return packed_bytes == plain_bytes; }
};

Status check_lengths(const BlockHeader& block) {
  if (block.plain_bytes == kSplitFile) return unsupported("one piece of a file that was split");
  if (block.plain_bytes > kMostBlockBytes) {
    return damaged(
        fmt::format("a block of {} bytes, want {} at most", block.plain_bytes, kMostBlockBytes));
  }
  if (block.packed_bytes > 0 && block.packed_bytes <= block.plain_bytes) return ok();
  return damaged(fmt::format("a block of {} bytes packed into {}, want 1 to {}", block.plain_bytes,
                             block.packed_bytes, block.plain_bytes));
}

Result<BlockHeader> read_block_header(ByteReader& in, const PartHeader& header) {
  BlockHeader block;
  auto read_sum = [&](Flag flag, std::optional<uint32_t>& sum) {
    if (header.has(flag)) sum = in.be<uint32_t>("checksum");
  };
  block.plain_bytes = in.be<uint32_t>("length of a block");
  if (!in.ok()) return in.error();
  if (block.plain_bytes == 0) return block;
  block.packed_bytes = in.be<uint32_t>("packed length of a block");
  if (!in.ok()) return in.error();
  if (auto good = check_lengths(block); !good) return good.error();
  read_sum(Flag::AdlerOfPlain, block.adler_of_plain);
  read_sum(Flag::CrcOfPlain, block.crc_of_plain);
  if (!block.is_stored()) {
    read_sum(Flag::AdlerOfPacked, block.adler_of_packed);
    read_sum(Flag::CrcOfPacked, block.crc_of_packed);
  }
  if (!in.ok()) return in.error();
  return block;
}

Status check_bytes(std::string_view what, std::span<const std::byte> bytes,
                   const std::optional<uint32_t>& adler, const std::optional<uint32_t>& crc) {
  auto good = adler ? compare(what, adler32_of(bytes), *adler) : ok();
  return good && crc ? compare(what, crc32_of(bytes), *crc) : good;
}

// Each byte was replaced by its difference to the one `distance` in front of it.
void undo_filter(std::span<std::byte> plain, size_t distance) {
  for (size_t i = distance; distance > 0 && i < plain.size(); ++i) {
    plain[i] = static_cast<std::byte>(std::to_integer<unsigned>(plain[i]) +
                                      std::to_integer<unsigned>(plain[i - distance]));
  }
}

#ifdef VMSTREAM_HAVE_LZO

std::string engine_name() {
  return fmt::format("liblzo2 {}", ::lzo_version_string());
}
Status check_engine() {
  return ok();
}

Status unpack(std::span<const std::byte> packed, std::span<std::byte> plain) {
  if (packed.size() == plain.size()) {
    std::ranges::copy(packed, plain.begin());
    return ok();
  }
  lzo_uint length = plain.size();
  int code =
      ::lzo1x_decompress_safe(reinterpret_cast<const unsigned char*>(packed.data()), packed.size(),
                              reinterpret_cast<unsigned char*>(plain.data()), &length, nullptr);
  if (code == LZO_E_OK && length == plain.size()) return ok();
  return damaged(fmt::format("a block cannot be unpacked into {} bytes", plain.size()));
}

#else

std::string engine_name() {
  return "no liblzo2";
}
Status check_engine() {
  return Error{.code = Errc::Unsupported,
               .message = "this vmstream was built without liblzo2, which unpacks lzop",
               .hint = "unpack it first: lzop -dc FILE > X"};
}
Status unpack(std::span<const std::byte>, std::span<std::byte>) {
  return check_engine();
}

#endif

class LzopDecoder final : public StreamDecoder {
 public:
  Status reset() override {
    header_.reset();
    block_.begin(0);
    ended_ = false;
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    while (!ended_) {
      block_.show(out);
      if (!block_.all_shown()) return false;
      ByteReader reader(in);
      auto taken = header_ ? take_block(reader) : take_header(reader);
      if (!taken && taken.error().code == Errc::Truncated) return false;  // more has to come
      if (!taken) return taken.error();
      in = reader.rest();
    }
    return true;
  }

 private:
  Status take_header(ByteReader& in) {
    auto header = read_header(in);
    if (!header) return header.error();
    if (auto built_in = check_engine(); !built_in) return built_in;
    header_ = *header;
    return ok();
  }

  Status take_block(ByteReader& in) {
    auto block = read_block_header(in, *header_);
    if (!block) return block.error();
    ended_ = block->plain_bytes == 0;
    if (ended_) return ok();
    auto packed = in.bytes(block->packed_bytes, "data of a block");
    if (!in.ok()) return in.error();
    auto good = check_bytes("a packed block", packed, block->adler_of_packed, block->crc_of_packed);
    if (!good) return good;
    auto plain = block_.begin(block->plain_bytes);
    if (auto unpacked = unpack(packed, plain); !unpacked) return unpacked;
    undo_filter(plain, header_->filter);
    good = check_bytes("a block", plain, block->adler_of_plain, block->crc_of_plain);
    if (good) block_.made(plain.size());
    return good;
  }

  std::optional<PartHeader> header_;
  ShownBlock block_;
  bool ended_ = false;
};

class LzopCodec final : public StreamOnlyCodec {
 public:
  std::string_view unit_name() const override { return "lzop part"; }
  size_t magic_bytes() const override { return kMagic.size(); }
  bool can_begin(std::span<const std::byte> front) const override {
    return agrees(front, std::as_bytes(std::span(kMagic)));
  }
  Result<FoundUnit> find_unit(std::span<const std::byte>, bool) const override {
    return FoundUnit{FoundUnit::Kind::Long};
  }
  std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned) const override {
    return std::make_unique<LzopDecoder>();
  }
  void list_engines(std::vector<std::string>& names) const override {
    names.push_back(engine_name());
  }
};

}  // namespace

const BlockCodec& lzop_codec() {
  static const LzopCodec codec;
  return codec;
}

}  // namespace vmstream
