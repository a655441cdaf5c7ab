// SPDX-License-Identifier: MIT
#include "support/zstd_file.h"

#include <zstd.h>

#include <fstream>
#include <memory>
#include <span>

namespace testing {
namespace {

constexpr int kWindowLog = 27;  // the captures use long windows

std::optional<std::vector<std::byte>> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return std::nullopt;
  std::vector<std::byte> bytes(static_cast<size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

std::optional<std::vector<std::byte>> unpack(std::span<const std::byte> packed) {
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLog);
  std::vector<std::byte> plain;
  std::vector<std::byte> chunk(ZSTD_DStreamOutSize());
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  size_t left = 1;
  while (in.pos < in.size || left != 0) {
    ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
    left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left) || (in.pos == in.size && left != 0 && out.pos == 0)) return std::nullopt;
    plain.insert(plain.end(), chunk.begin(), chunk.begin() + static_cast<ptrdiff_t>(out.pos));
  }
  return plain;
}

}  // namespace

std::optional<std::vector<std::byte>> load_file(const std::string& path) {
  if (auto packed = read_file(path + ".zst")) return unpack(*packed);
  return read_file(path);
}

}  // namespace testing
