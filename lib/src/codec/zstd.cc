// SPDX-License-Identifier: MIT
// zstd: a frame a block, with its content size and a checksum.
#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

#include "base/endian.h"
#include "base/hash.h"
#include "codec/codecs.h"
#include "codec/trailer/trailer.h"
#include "io/wait.h"

namespace vmstream {
namespace {

// Measured on 700 MB of guest-like data (pages with the files of /usr/lib, in stream framing),
// blocks of 1 MiB, MB/s on one core of an AMD EPYC, and ratio; blocks of 512 KiB cost 2 % of the
// size, 2 MiB gain 0.2 % and are slower. For comparison: `zstd -1` over the whole 277 and 2.85.
//
//   level       -5     -1      1      2      3      4      5      6      9     12     15     19
//   MB/s       706    550    470    396    353    278    156    111     68     43     16      5
//   ratio    1.994  2.478  2.792  2.945  2.991  3.053  3.162  3.236   3.27   3.28   3.28   3.70
//
// Decoding runs at 1.2 to 1.6 GB/s. A long window (`zstd --long`) makes this data, in which much
// stands twice, 13 to 15 % smaller in 1.4 times the time; but it ends where a block does, and
// blocks of 8 MiB leave 3 % of that.
constexpr int kBlockLog = 20;
constexpr size_t kBlockBytes = size_t{1} << kBlockLog;

// What the library itself would choose for these levels is meant for larger inputs: tables that
// stay in the nearest caches are faster and lose little over one block. Level 1 gains 0.2 to 0.7 %
// in size at the same speed, level 3 a quarter in speed for 2 % in size. Level 4 is the library's
// level 3; its own makes files 0.7 % smaller in 1.2 times the time.
struct Tuning {
  int level;
  ZSTD_cParameter parameter;
  int value;
};
constexpr Tuning kTunings[] = {
    {1, ZSTD_c_hashLog, 13},  {1, ZSTD_c_minMatch, 6}, {3, ZSTD_c_hashLog, 15},
    {3, ZSTD_c_chainLog, 14}, {4, ZSTD_c_hashLog, 17}, {4, ZSTD_c_chainLog, 16},
};

// From this level on a block takes so long that it is compressed in steps, each a block of zstd's.
constexpr int kSlowLevel = 12;
constexpr size_t kStepBytes = 128 * 1024;

constexpr size_t kMagicBytes = 4;
constexpr size_t kLongestFrameHeader = 18;
constexpr int kMaxWindowLog = 27;  // what `zstd --long` writes: 128 MiB

bool is_skippable(std::span<const std::byte> front) {
  return (read_le32(front, 0) & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

Error zstd_error(size_t code) {
  switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
      return Error{Errc::Environment, "zstd: out of memory"};
    case ZSTD_error_frameParameter_windowTooLarge:
      return Error{.code = Errc::Unsupported,
                   .message = "zstd frame: its window is larger than 128 MiB",
                   .hint = "unpack the file with 'zstd -d --long=31' first"};
    case ZSTD_error_dictionary_wrong:
      return Error{Errc::Unsupported, "zstd frame: needs a dictionary"};
    case ZSTD_error_checksum_wrong:
      return Error{Errc::Malformed, "zstd frame: its content does not match its checksum"};
    default:
      return Error{Errc::Malformed,
                   fmt::format("zstd frame: damaged ({})", ZSTD_getErrorName(code))};
  }
}

class ZstdCompressor final : public BlockCompressor {
 public:
  ZstdCompressor(int level, const WaitLimits& limits)
      : context_(ZSTD_createCCtx()), is_slow_(level >= kSlowLevel), limits_(limits) {
    if (!context_) return;
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    // The fastest levels look back over half a block only. All of it costs no time.
    ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, kBlockLog);
    for (const Tuning& tuning : kTunings) {
      if (tuning.level == level) ZSTD_CCtx_setParameter(context_, tuning.parameter, tuning.value);
    }
  }
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }

  Status compress(std::span<const std::byte> plain, Buffer& packed) override {
    if (!context_) return Error{Errc::Environment, "zstd: out of memory"};
    packed.clear();
    packed.reserve(ZSTD_compressBound(plain.size()));
    auto room = packed.room();
    if (is_slow_) return compress_in_steps(plain, packed);
    size_t length = ZSTD_compress2(context_, room.data(), room.size(), plain.data(), plain.size());
    if (ZSTD_isError(length)) return failed(length);
    packed.extend(length);
    return ok();
  }

 private:
  static Error failed(size_t code) {
    return Error{Errc::Environment, fmt::format("zstd: {}", ZSTD_getErrorName(code))};
  }

  // The same bytes, at the price of a copy of the block.
  Status compress_in_steps(std::span<const std::byte> plain, Buffer& packed) {
    ZSTD_CCtx_reset(context_, ZSTD_reset_session_only);
    ZSTD_CCtx_setPledgedSrcSize(context_, plain.size());
    auto room = packed.room();
    ZSTD_inBuffer in{plain.data(), 0, 0};
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    for (;;) {
      if (auto within = check_limits(limits_, "the compressor"); !within) return within;
      in.size = std::min(in.size + kStepBytes, plain.size());
      bool is_last = in.size == plain.size();
      size_t left =
          ZSTD_compressStream2(context_, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return failed(left);
      if (is_last && left == 0) break;
    }
    packed.extend(out.pos);
    return ok();
  }

  ZSTD_CCtx* context_;
  bool is_slow_;
  WaitLimits limits_;
};

class ZstdUnitDecoder final : public UnitDecoder {
 public:
  ZstdUnitDecoder() : context_(ZSTD_createDCtx()) {}
  ~ZstdUnitDecoder() override { ZSTD_freeDCtx(context_); }

  Result<bool> decode(std::span<const std::byte> packed, Buffer& plain) override {
    if (!context_) return Error{Errc::Environment, "zstd: out of memory"};
    auto content = ZSTD_getFrameContentSize(packed.data(), packed.size());
    if (content > kMaxUnitBytes) return false;
    plain.clear();
    plain.reserve(content);
    size_t made =
        ZSTD_decompressDCtx(context_, plain.data(), content, packed.data(), packed.size());
    if (ZSTD_isError(made)) return zstd_error(made);
    plain.extend(made);
    return true;
  }

 private:
  ZSTD_DCtx* context_;
};

class ZstdStreamDecoder final : public StreamDecoder {
 public:
  ZstdStreamDecoder() : context_(ZSTD_createDCtx()) {}
  ~ZstdStreamDecoder() override { ZSTD_freeDCtx(context_); }

  Status reset() override {
    if (!context_) return Error{Errc::Environment, "zstd: out of memory"};
    ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog);
    ended_ = false;
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    if (ended_) return true;
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    size_t code = ZSTD_decompressStream(context_, &output, &input);
    in = in.subspan(input.pos);
    out = out.subspan(output.pos);
    if (ZSTD_isError(code)) return zstd_error(code);
    ended_ = code == 0;  // the frame is complete, verified and flushed
    return ended_;
  }

 private:
  ZSTD_DCtx* context_;
  bool ended_ = false;
};

class ZstdCodec final : public BlockCodec {
 public:
  std::string_view unit_name() const override { return "zstd frame"; }
  size_t magic_bytes() const override { return kMagicBytes; }
  bool can_begin(std::span<const std::byte> front) const override {
    if (front.size() >= kMagicBytes) {
      return read_le32(front, 0) == ZSTD_MAGICNUMBER || is_skippable(front);
    }
    return begins_like(front, ZSTD_MAGICNUMBER, 0xff) ||
           begins_like(front, ZSTD_MAGIC_SKIPPABLE_START, 0xf0);
  }

  size_t block_bytes(int) const override { return kBlockBytes; }
  std::unique_ptr<BlockCompressor> make_compressor(int level,
                                                   const WaitLimits& limits) const override {
    return std::make_unique<ZstdCompressor>(level, limits);
  }

  Result<FoundUnit> find_unit(std::span<const std::byte> front, bool at_end) const override {
    constexpr size_t kSkippableHeader = 8;
    size_t header = is_skippable(front) ? kSkippableHeader : kLongestFrameHeader;
    if (front.size() < header && !at_end) return FoundUnit{FoundUnit::Kind::NeedsMore, header};
    if (is_skippable(front)) {
      if (front.size() < header) return FoundUnit{FoundUnit::Kind::NeedsMore, header};
      return FoundUnit{FoundUnit::Kind::Skippable, header + read_le32(front, 4)};
    }
    return find_frame(front, at_end);
  }

  uint32_t check_of(std::span<const std::byte> unit) const override {
    constexpr std::byte kChecksumFlag{0x04};
    constexpr size_t kChecksumBytes = 4;
    if (unit.size() < kLongestFrameHeader / 2 ||
        (unit[kMagicBytes] & kChecksumFlag) == std::byte{0}) {
      return 0;
    }
    return read_le32(unit.last(kChecksumBytes), 0);
  }
  uint32_t checksum(std::span<const std::byte> plain) const override {
    return static_cast<uint32_t>(xxh64(plain));
  }
  bool has_trailer() const override { return true; }
  std::optional<uint32_t> file_checksum_of(std::span<const std::byte> unit) const override {
    return read_file_checksum(Coding::Zstd, unit);
  }
  std::unique_ptr<UnitDecoder> make_unit_decoder() const override {
    return std::make_unique<ZstdUnitDecoder>();
  }
  std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned) const override {
    return std::make_unique<ZstdStreamDecoder>();
  }
  void list_engines(std::vector<std::string>& names) const override {
    names.push_back(fmt::format("libzstd {}", ZSTD_versionString()));
  }

 private:
  static bool begins_like(std::span<const std::byte> front, uint32_t magic, uint32_t first_mask) {
    for (size_t i = 0; i < front.size(); ++i) {
      uint32_t mask = i == 0 ? first_mask : 0xff;
      if (((std::to_integer<uint32_t>(front[i]) ^ (magic >> (8 * i))) & mask) != 0) return false;
    }
    return true;
  }

  static Result<FoundUnit> find_frame(std::span<const std::byte> front, bool at_end) {
    // The library ignores this bit of the frame header, which no encoder sets.
    constexpr std::byte kUnusedBit{0x10};
    if (front.size() > kMagicBytes && (front[kMagicBytes] & kUnusedBit) != std::byte{0}) {
      return Error{Errc::Malformed, "zstd frame: its header is damaged"};
    }
    auto content = ZSTD_getFrameContentSize(front.data(), front.size());
    if (content > kMaxUnitBytes) return FoundUnit{FoundUnit::Kind::Long};  // or unknown, or damaged
    size_t length = ZSTD_findFrameCompressedSize(front.data(), front.size());
    if (!ZSTD_isError(length)) {
      return FoundUnit{FoundUnit::Kind::Whole, length, static_cast<size_t>(content)};
    }
    if (ZSTD_getErrorCode(length) != ZSTD_error_srcSize_wrong) return zstd_error(length);
    size_t most = ZSTD_compressBound(kMaxUnitBytes);
    if (at_end || front.size() >= most) return FoundUnit{FoundUnit::Kind::Long};
    return FoundUnit{FoundUnit::Kind::NeedsMore, std::min(front.size() + kBlockBytes, most)};
  }
};

}  // namespace

const BlockCodec& zstd_codec() {
  static const ZstdCodec codec;
  return codec;
}

}  // namespace vmstream
