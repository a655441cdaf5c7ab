// SPDX-License-Identifier: MIT
// lz4, for reading: frames, and the legacy frames of the first lz4 programs and of `lz4 -l`.
//
// A legacy frame is its magic, then blocks: le32 length, data. It has no end mark and no checksum:
// it ends with the file, or where padding or another frame's magic stands in the place of a length.
#include <fmt/format.h>
#include <lz4.h>
#include <lz4frame.h>

#include <algorithm>

#include "base/endian.h"
#include "codec/blocks/shown_block.h"
#include "codec/codecs.h"

namespace vmstream {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr uint32_t kFrameMagic = 0x184d2204;
constexpr uint32_t kLegacyMagic = 0x184c2102;
constexpr uint32_t kSkippableMagic = 0x184d2a50;  // and the fifteen behind it
constexpr uint32_t kSkippableMask = 0xfffffff0;
constexpr size_t kLegacyBlockBytes = 8 * 1024 * 1024;

bool is_skippable(uint32_t magic) {
  return (magic & kSkippableMask) == kSkippableMagic;
}
bool is_magic(uint32_t word) {
  return word == kFrameMagic || word == kLegacyMagic || is_skippable(word);
}

Error damaged(std::string_view what) {
  return Error{Errc::Malformed, fmt::format("lz4 frame: damaged ({})", what)};
}

class FrameDecoder final : public StreamDecoder {
 public:
  FrameDecoder() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION))) context_ = nullptr;
  }
  ~FrameDecoder() override { LZ4F_freeDecompressionContext(context_); }

  Status reset() override {
    if (!context_) return Error{Errc::Environment, "lz4: out of memory"};
    LZ4F_resetDecompressionContext(context_);
    ended_ = false;
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    while (!ended_) {
      size_t taken = in.size();
      size_t made = out.size();
      size_t code = LZ4F_decompress(context_, out.data(), &made, in.data(), &taken, nullptr);
      if (LZ4F_isError(code)) return damaged(LZ4F_getErrorName(code));
      in = in.subspan(taken);
      out = out.subspan(made);
      ended_ = code == 0;
      if (taken == 0 && made == 0) break;
    }
    return ended_;
  }

 private:
  LZ4F_dctx* context_ = nullptr;
  bool ended_ = false;
};

class LegacyDecoder final : public StreamDecoder {
 public:
  Status reset() override {
    magic_seen_ = false;
    block_.begin(kLegacyBlockBytes);
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    for (;;) {
      block_.show(out);
      if (out.empty() || in.size() < kMagicBytes) return false;
      uint32_t word = read_le32(in, 0);
      if (magic_seen_ && (word == 0 || is_magic(word))) return true;
      if (magic_seen_) {
        auto unpacked = unpack(in, word);
        if (!unpacked) return unpacked.error();
        if (!*unpacked) return false;
      }
      if (!magic_seen_) in = in.subspan(kMagicBytes);
      magic_seen_ = true;
    }
  }

  bool may_end() const override { return magic_seen_ && block_.all_shown(); }

 private:
  // Takes the block off `in`; false when not all of it is there yet.
  Result<bool> unpack(std::span<const std::byte>& in, uint32_t length) {
    if (length > LZ4_COMPRESSBOUND(kLegacyBlockBytes)) {
      return damaged(fmt::format("a block of {} bytes", length));
    }
    if (in.size() - kMagicBytes < length) return false;
    auto room = block_.begin(kLegacyBlockBytes);
    int made = LZ4_decompress_safe(reinterpret_cast<const char*>(in.data() + kMagicBytes),
                                   reinterpret_cast<char*>(room.data()), static_cast<int>(length),
                                   static_cast<int>(kLegacyBlockBytes));
    if (made < 0) return damaged("a block cannot be unpacked");
    block_.made(static_cast<size_t>(made));
    in = in.subspan(kMagicBytes + length);
    return true;
  }

  bool magic_seen_ = false;
  ShownBlock block_;
};

// Leaves the choice to the first bytes of the frame.
class Lz4StreamDecoder final : public StreamDecoder {
 public:
  Status reset() override {
    chosen_ = nullptr;
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    if (!chosen_) {
      if (in.size() < kMagicBytes) return false;
      chosen_ = read_le32(in, 0) == kLegacyMagic ? static_cast<StreamDecoder*>(&legacy_) : &frame_;
      if (auto ready = chosen_->reset(); !ready) return ready.error();
    }
    return chosen_->decode(in, out);
  }

  bool may_end() const override { return chosen_ && chosen_->may_end(); }

 private:
  StreamDecoder* chosen_ = nullptr;
  FrameDecoder frame_;
  LegacyDecoder legacy_;
};

class Lz4Codec final : public StreamOnlyCodec {
 public:
  std::string_view unit_name() const override { return "lz4 frame"; }
  size_t magic_bytes() const override { return kMagicBytes; }
  // A skippable frame in front is one of zstd's as well, and is taken for that.
  bool can_begin(std::span<const std::byte> front) const override {
    if (front.size() >= kMagicBytes) return is_magic(read_le32(front, 0));
    return !front.empty() && (front[0] == std::byte{0x02} || front[0] == std::byte{0x04} ||
                              (front[0] & std::byte{0xf0}) == std::byte{0x50});
  }

  Result<FoundUnit> find_unit(std::span<const std::byte> front, bool at_end) const override {
    constexpr size_t kHeaderBytes = 8;
    constexpr std::byte kHasDictionary{0x01};
    if (front.size() < kHeaderBytes && !at_end) {
      return FoundUnit{FoundUnit::Kind::NeedsMore, kHeaderBytes};
    }
    uint32_t magic = read_le32(front, 0);
    if (is_skippable(magic)) {
      if (front.size() < kHeaderBytes) return FoundUnit{FoundUnit::Kind::NeedsMore, kHeaderBytes};
      return FoundUnit{FoundUnit::Kind::Skippable, kHeaderBytes + size_t{read_le32(front, 4)}};
    }
    bool has_flags = magic == kFrameMagic && front.size() > kMagicBytes;
    if (has_flags && (front[kMagicBytes] & kHasDictionary) != std::byte{0}) {
      return Error{Errc::Unsupported, "lz4 frame: needs a dictionary"};
    }
    return FoundUnit{FoundUnit::Kind::Long};
  }

  std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned) const override {
    return std::make_unique<Lz4StreamDecoder>();
  }
  void list_engines(std::vector<std::string>& names) const override {
    names.push_back(fmt::format("liblz4 {}", LZ4_versionString()));
  }
};

}  // namespace

const BlockCodec& lz4_codec() {
  static const Lz4Codec codec;
  return codec;
}

}  // namespace vmstream
