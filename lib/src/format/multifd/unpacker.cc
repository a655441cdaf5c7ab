// SPDX-License-Identifier: MIT
#include "format/multifd/unpacker.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <vector>

namespace vmstream {
namespace {

constexpr size_t kScratchBytes = 64 * 1024;

Error no_memory(std::string_view method) {
  return Error{Errc::Environment, fmt::format("{}: out of memory", method)};
}

Error damaged(std::string_view method, std::string_view why) {
  return Error{Errc::Malformed,
               fmt::format("the {} stream of the channel is damaged ({})", method, why)};
}

class ZlibUnpacker final : public MultifdUnpacker {
 public:
  ZlibUnpacker() : scratch_(kScratchBytes), good_(::inflateInit(&stream_) == Z_OK) {}
  ~ZlibUnpacker() override { ::inflateEnd(&stream_); }
  ZlibUnpacker(const ZlibUnpacker&) = delete;
  ZlibUnpacker& operator=(const ZlibUnpacker&) = delete;

  Result<uint64_t> unpack(std::span<const std::byte> packed, uint64_t most,
                          const TakePlain& take) override {
    if (!good_) return no_memory("zlib");
    uint64_t length = 0;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(scratch_.data());
      stream_.avail_out = static_cast<uInt>(scratch_.size());
      int done = ::inflate(&stream_, Z_SYNC_FLUSH);
      if (done == Z_MEM_ERROR) return no_memory("zlib");
      if (done == Z_STREAM_END) return damaged("zlib", "it ends, and no sender ends it");
      if (done != Z_OK && done != Z_BUF_ERROR) return damaged("zlib", reason());
      auto made = std::span(scratch_).first(scratch_.size() - stream_.avail_out);
      if (take) take(made);
      length += made.size();
    } while (length <= most && (stream_.avail_in > 0 || stream_.avail_out == 0));
    return length;
  }

 private:
  std::string_view reason() const { return stream_.msg ? stream_.msg : "no reason given"; }

  z_stream stream_{};
  std::vector<std::byte> scratch_;
  bool good_;
};

class ZstdUnpacker final : public MultifdUnpacker {
 public:
  ZstdUnpacker() : stream_(ZSTD_createDCtx()), scratch_(kScratchBytes) {
    constexpr int kMaxWindowLog = 27;  // the library's own limit; no level that QEMU takes has more
    if (stream_) ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  ~ZstdUnpacker() override { ZSTD_freeDCtx(stream_); }
  ZstdUnpacker(const ZstdUnpacker&) = delete;
  ZstdUnpacker& operator=(const ZstdUnpacker&) = delete;

  Result<uint64_t> unpack(std::span<const std::byte> packed, uint64_t most,
                          const TakePlain& take) override {
    if (!stream_) return no_memory("zstd");
    uint64_t length = 0;
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer out{};
    do {
      out = {scratch_.data(), scratch_.size(), 0};
      size_t left = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(left)) return damaged("zstd", ZSTD_getErrorName(left));
      if (left == 0) return damaged("zstd", "its frame ends, and no sender ends it");
      if (take) take(std::span(scratch_).first(out.pos));
      length += out.pos;
    } while (length <= most && (in.pos < in.size || out.pos == out.size));
    return length;
  }

 private:
  ZSTD_DCtx* stream_;
  std::vector<std::byte> scratch_;
};

}  // namespace

std::unique_ptr<MultifdUnpacker> make_multifd_unpacker(MultifdMethod method) {
  if (method == MultifdMethod::Zlib) return std::make_unique<ZlibUnpacker>();
  if (method == MultifdMethod::Zstd) return std::make_unique<ZstdUnpacker>();
  return nullptr;
}

bool is_unpacked(MultifdMethod method) {
  return method == MultifdMethod::Zlib || method == MultifdMethod::Zstd;
}

}  // namespace vmstream
