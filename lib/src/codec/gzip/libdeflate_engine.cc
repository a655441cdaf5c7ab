// SPDX-License-Identifier: MIT
// libdeflate: whole blocks only, where it beats zlib by far both ways.
#ifdef VMSTREAM_HAVE_LIBDEFLATE

#include <fmt/format.h>
#include <libdeflate.h>

#include "codec/gzip/deflate_engines.h"

namespace vmstream {
namespace {

class LibdeflateDeflater final : public Deflater {
 public:
  explicit LibdeflateDeflater(int level) : engine_(libdeflate_alloc_compressor(level)) {}
  ~LibdeflateDeflater() override { libdeflate_free_compressor(engine_); }

  size_t bound(size_t plain_bytes) override {
    return libdeflate_deflate_compress_bound(engine_, plain_bytes);
  }
  size_t deflate(std::span<const std::byte> plain, std::span<std::byte> packed) override {
    if (!engine_) return 0;
    return libdeflate_deflate_compress(engine_, plain.data(), plain.size(), packed.data(),
                                       packed.size());
  }

 private:
  libdeflate_compressor* engine_;
};

class LibdeflateBlockInflater final : public BlockInflater {
 public:
  LibdeflateBlockInflater() : engine_(libdeflate_alloc_decompressor()) {}
  ~LibdeflateBlockInflater() override { libdeflate_free_decompressor(engine_); }

  bool inflate(std::span<const std::byte> packed, std::span<std::byte> plain) override {
    if (!engine_) return false;
    size_t used = 0;
    size_t made = 0;
    return libdeflate_deflate_decompress_ex(engine_, packed.data(), packed.size(), plain.data(),
                                            plain.size(), &used, &made) == LIBDEFLATE_SUCCESS &&
           used == packed.size() && made == plain.size();
  }

 private:
  libdeflate_decompressor* engine_;
};

}  // namespace

std::unique_ptr<Deflater> make_libdeflate_deflater(int level) {
  return std::make_unique<LibdeflateDeflater>(level);
}
std::unique_ptr<BlockInflater> make_libdeflate_block_inflater() {
  return std::make_unique<LibdeflateBlockInflater>();
}
std::string libdeflate_name() {
  return fmt::format("libdeflate {}", LIBDEFLATE_VERSION_STRING);
}

}  // namespace vmstream

#endif
