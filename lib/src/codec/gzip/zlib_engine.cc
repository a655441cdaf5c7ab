// SPDX-License-Identifier: MIT
// zlib: always there, and able to do everything.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

#include "codec/gzip/deflate_engines.h"

namespace vmstream {
namespace {

constexpr int kRaw = -15;  // no wrapper, a window of 32 KiB
constexpr size_t kMostAtOnce = std::numeric_limits<uInt>::max();

const Bytef* input(std::span<const std::byte> bytes) {
  return reinterpret_cast<const Bytef*>(bytes.data());
}
Bytef* output(std::span<std::byte> bytes) {
  return reinterpret_cast<Bytef*>(bytes.data());
}

void set_spans(z_stream& stream, std::span<const std::byte> in, std::span<std::byte> out) {
  stream.next_in = const_cast<Bytef*>(input(in));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(std::min(in.size(), kMostAtOnce));
  stream.next_out = output(out);
  stream.avail_out = static_cast<uInt>(std::min(out.size(), kMostAtOnce));
}

class ZlibDeflater final : public Deflater {
 public:
  explicit ZlibDeflater(int level) {
    constexpr int kMemory = 9;
    ready_ = deflateInit2(&stream_, level, Z_DEFLATED, kRaw, kMemory, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~ZlibDeflater() override {
    if (ready_) deflateEnd(&stream_);
  }

  size_t bound(size_t plain_bytes) override { return deflateBound(&stream_, plain_bytes); }
  size_t deflate(std::span<const std::byte> plain, std::span<std::byte> packed) override {
    if (!ready_ || deflateReset(&stream_) != Z_OK) return 0;
    set_spans(stream_, plain, packed);
    return ::deflate(&stream_, Z_FINISH) == Z_STREAM_END ? stream_.total_out : 0;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

class ZlibStreamInflater final : public StreamInflater {
 public:
  ZlibStreamInflater() { ready_ = inflateInit2(&stream_, kRaw) == Z_OK; }
  ~ZlibStreamInflater() override {
    if (ready_) inflateEnd(&stream_);
  }

  bool reset() override { return ready_ && inflateReset(&stream_) == Z_OK; }
  std::optional<bool> inflate(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    set_spans(stream_, in, out);
    uInt offered_in = stream_.avail_in;
    uInt offered_out = stream_.avail_out;
    int code = ::inflate(&stream_, Z_NO_FLUSH);
    in = in.subspan(offered_in - stream_.avail_in);
    out = out.subspan(offered_out - stream_.avail_out);
    if (code == Z_STREAM_END) return true;
    if (code == Z_OK || code == Z_BUF_ERROR) return false;
    return std::nullopt;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

class ZlibBlockInflater final : public BlockInflater {
 public:
  bool inflate(std::span<const std::byte> packed, std::span<std::byte> plain) override {
    if (!stream_.reset()) return false;
    std::byte nothing{};  // zlib wants an address even where there is no room
    auto out = plain.empty() ? std::span(&nothing, 0) : plain;
    auto ended = stream_.inflate(packed, out);
    return ended.value_or(false) && packed.empty() && out.empty();
  }

 private:
  ZlibStreamInflater stream_;
};

}  // namespace

std::unique_ptr<Deflater> make_zlib_deflater(int level) {
  return std::make_unique<ZlibDeflater>(level);
}
std::unique_ptr<BlockInflater> make_zlib_block_inflater() {
  return std::make_unique<ZlibBlockInflater>();
}
std::unique_ptr<StreamInflater> make_zlib_stream_inflater() {
  return std::make_unique<ZlibStreamInflater>();
}
std::string zlib_name() {
  return fmt::format("zlib {}", zlibVersion());
}

}  // namespace vmstream
