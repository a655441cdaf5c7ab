// SPDX-License-Identifier: MIT
// bzip2: a stream a block. Streams carry no length; where the next one begins is guessed by its
// magic and proved by decoding.
#include <bzlib.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "codec/codecs.h"

namespace vmstream {
namespace {

// A stream may unpack to fifty times what a block of bzip2 holds; larger ones go in pieces.
constexpr size_t kMaxPlainBytes = 4 * 1024 * 1024;
constexpr size_t kUsualPlainBytes = 1024 * 1024;
// One block of bzip2's hardly grows over 900000 bytes; look this far for the next stream.
constexpr size_t kLookAheadBytes = 2 * 1024 * 1024;
constexpr size_t kMagicBytes = 4;
// Behind "BZh9": the magic of a block, or of the end of a stream that has none.
constexpr std::array<uint8_t, 6> kBlockMagic{0x31, 0x41, 0x59, 0x26, 0x53, 0x59};
constexpr std::array<uint8_t, 6> kEndMagic{0x17, 0x72, 0x45, 0x38, 0x50, 0x90};
constexpr size_t kShortestStream = kMagicBytes + kEndMagic.size() + 4;

bool begins_with(std::span<const std::byte> bytes, std::span<const uint8_t> magic) {
  return bytes.size() >= magic.size() &&
         std::ranges::equal(bytes.first(magic.size()), std::as_bytes(magic));
}

// Position behind the front at which another stream seems to begin; 0 if there is none.
size_t find_next_stream(std::span<const std::byte> bytes) {
  constexpr std::array<uint8_t, 3> kStart{'B', 'Z', 'h'};
  auto from = bytes.begin() + static_cast<ptrdiff_t>(std::min(kShortestStream, bytes.size()));
  for (;;) {
    from = std::search(from, bytes.end(), std::as_bytes(std::span(kStart)).begin(),
                       std::as_bytes(std::span(kStart)).end());
    if (from == bytes.end()) return 0;
    size_t at = static_cast<size_t>(from - bytes.begin());
    auto rest = bytes.subspan(std::min(at + kMagicBytes, bytes.size()));
    if (begins_with(rest, kBlockMagic) || begins_with(rest, kEndMagic)) return at;
    ++from;
  }
}

Error bzip2_error(int code) {
  switch (code) {
    case BZ_MEM_ERROR:
      return Error{Errc::Environment, "bzip2: out of memory"};
    case BZ_DATA_ERROR_MAGIC:
      return Error{Errc::Malformed, "bzip2 stream: magic not found"};
    default:
      return Error{Errc::Malformed, "bzip2 stream: its data or their checksum are damaged"};
  }
}

class Bzip2StreamDecoder final : public StreamDecoder {
 public:
  ~Bzip2StreamDecoder() override {
    if (ready_) BZ2_bzDecompressEnd(&stream_);
  }

  Status reset() override {
    if (ready_) BZ2_bzDecompressEnd(&stream_);
    stream_ = {};
    int code = BZ2_bzDecompressInit(&stream_, 0, 0);
    ready_ = code == BZ_OK;
    ended_ = false;
    if (!ready_) return bzip2_error(code);
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    constexpr size_t kMostAtOnce = std::numeric_limits<unsigned>::max();
    while (!ended_ && !out.empty()) {
      auto offered_in = static_cast<unsigned>(std::min(in.size(), kMostAtOnce));
      auto offered_out = static_cast<unsigned>(std::min(out.size(), kMostAtOnce));
      stream_.next_in =  // not written to
          const_cast<char*>(reinterpret_cast<const char*>(in.data()));
      stream_.avail_in = offered_in;
      stream_.next_out = reinterpret_cast<char*>(out.data());
      stream_.avail_out = offered_out;
      int code = BZ2_bzDecompress(&stream_);
      in = in.subspan(offered_in - stream_.avail_in);
      out = out.subspan(offered_out - stream_.avail_out);
      if (code != BZ_OK && code != BZ_STREAM_END) return bzip2_error(code);
      ended_ = code == BZ_STREAM_END;
      bool stuck = stream_.avail_in == offered_in && stream_.avail_out == offered_out;
      if (stuck || (in.empty() && !out.empty())) break;
    }
    return ended_;
  }

 private:
  bz_stream stream_{};
  bool ready_ = false;
  bool ended_ = false;
};

class Bzip2UnitDecoder final : public UnitDecoder {
 public:
  Result<bool> decode(std::span<const std::byte> packed, Buffer& plain) override {
    if (auto ready = decoder_.reset(); !ready) return ready.error();
    plain.clear();
    plain.reserve(kUsualPlainBytes);
    for (;;) {
      auto out = plain.room();
      size_t offered = out.size();
      auto ended = decoder_.decode(packed, out);
      if (!ended) return false;  // a wrong guess, or damage: reading on as a stream will tell
      plain.extend(offered - out.size());
      if (*ended) return packed.empty();
      if (!out.empty() || plain.capacity() >= kMaxPlainBytes) return false;
      plain.reserve(2 * plain.capacity());
    }
  }

 private:
  Bzip2StreamDecoder decoder_;
};

class Bzip2Compressor final : public BlockCompressor {
 public:
  explicit Bzip2Compressor(int level) : level_(level) {}

  Status compress(std::span<const std::byte> plain, Buffer& packed) override {
    packed.clear();
    packed.reserve(plain.size() + plain.size() / 100 + 600);  // the bound bzip2 states
    auto room = packed.room();
    auto length = static_cast<unsigned>(room.size());
    int code = BZ2_bzBuffToBuffCompress(
        reinterpret_cast<char*>(room.data()), &length,
        const_cast<char*>(reinterpret_cast<const char*>(plain.data())),  // not written to
        static_cast<unsigned>(plain.size()), level_, 0, 0);
    if (code != BZ_OK) return bzip2_error(BZ_MEM_ERROR);
    packed.extend(length);
    return ok();
  }

 private:
  int level_;
};

class Bzip2Codec final : public BlockCodec {
 public:
  std::string_view unit_name() const override { return "bzip2 stream"; }
  size_t magic_bytes() const override { return kMagicBytes; }
  bool can_begin(std::span<const std::byte> front) const override {
    constexpr std::string_view kMagic = "BZh";
    for (size_t i = 0; i < std::min(front.size(), kMagic.size()); ++i) {
      if (std::to_integer<char>(front[i]) != kMagic[i]) return false;
    }
    return front.size() < kMagicBytes || (front[3] >= std::byte{'1'} && front[3] <= std::byte{'9'});
  }

  // As many whole blocks of bzip2 as fit into 900000 bytes, each a little short of full because
  // the run-length step in front of them may add bytes.
  size_t block_bytes(int level) const override {
    constexpr size_t kSlackBytes = 64;
    auto hundreds = static_cast<size_t>(level);
    return 9 / hundreds * (hundreds * 100'000 - kSlackBytes);
  }
  std::unique_ptr<BlockCompressor> make_compressor(int level, const WaitLimits&) const override {
    return std::make_unique<Bzip2Compressor>(level);
  }

  Result<FoundUnit> find_unit(std::span<const std::byte> front, bool at_end) const override {
    if (size_t length = find_next_stream(front); length != 0) {
      return FoundUnit{FoundUnit::Kind::Whole, length, kUsualPlainBytes};
    }
    if (front.size() >= kLookAheadBytes) return FoundUnit{FoundUnit::Kind::Long};
    if (at_end) return FoundUnit{FoundUnit::Kind::Whole, front.size(), kUsualPlainBytes};
    return FoundUnit{FoundUnit::Kind::NeedsMore, kLookAheadBytes};
  }

  std::unique_ptr<UnitDecoder> make_unit_decoder() const override {
    return std::make_unique<Bzip2UnitDecoder>();
  }
  std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned) const override {
    return std::make_unique<Bzip2StreamDecoder>();
  }
  void list_engines(std::vector<std::string>& names) const override {
    std::string_view version = BZ2_bzlibVersion();
    names.push_back(fmt::format("libbz2 {}", version.substr(0, version.find(','))));
  }
};

}  // namespace

const BlockCodec& bzip2_codec() {
  static const Bzip2Codec codec;
  return codec;
}

}  // namespace vmstream
