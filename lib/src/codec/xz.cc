// SPDX-License-Identifier: MIT
// xz, for reading. Files of several blocks (`xz -T`) are decoded by several threads of liblzma's
// own where it has them (5.4).
#include <fmt/format.h>
#include <lzma.h>

#include <algorithm>
#include <array>

#include "codec/codecs.h"

namespace vmstream {
namespace {

constexpr std::array<uint8_t, 6> kMagic{0xfd, '7', 'z', 'X', 'Z', 0};
// What one decoder may take: that of `xz -9` needs 65 MiB, one with the largest window that zstd
// frames may have 129 MiB.
constexpr uint64_t kMiB = 1024 * 1024;
constexpr uint64_t kMaxDecoderBytes = 132 * kMiB;
// Several threads hold whole blocks, 24 MiB in files of `xz -T0`; with less than this to hold them,
// fewer threads run.
[[maybe_unused]] constexpr uint64_t kThreadBytes = 48 * kMiB;

Error xz_error(lzma_ret code) {
  switch (code) {
    case LZMA_MEM_ERROR:
      return Error{Errc::Environment, "xz: out of memory"};
    case LZMA_MEMLIMIT_ERROR:
      return Error{.code = Errc::Unsupported,
                   .message = fmt::format("xz stream: more than {} MiB are needed to decode it",
                                          kMaxDecoderBytes / kMiB),
                   .hint = "unpack the file with 'xz -d' first"};
    case LZMA_OPTIONS_ERROR:
      return Error{Errc::Unsupported, "xz stream: uses a filter that liblzma does not know"};
    case LZMA_UNSUPPORTED_CHECK:
      return Error{Errc::Unsupported, "xz stream: uses a check that liblzma does not know"};
    case LZMA_FORMAT_ERROR:
      return Error{Errc::Malformed, "xz stream: magic not found"};
    default:
      return Error{Errc::Malformed, "xz stream: its data or their check are damaged"};
  }
}

class XzStreamDecoder final : public StreamDecoder {
 public:
  explicit XzStreamDecoder(unsigned threads) : threads_(threads) {}
  ~XzStreamDecoder() override { lzma_end(&stream_); }

  Status reset() override {
    lzma_ret code = start();
    ended_ = false;
    if (code != LZMA_OK) return xz_error(code);
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    if (ended_) return true;
    stream_.next_in = reinterpret_cast<const uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    lzma_ret code = LZMA_OK;
    // Until the library says that it cannot go on: its threads may still hold something.
    while (code == LZMA_OK && stream_.avail_out > 0) code = lzma_code(&stream_, LZMA_RUN);
    in = in.last(stream_.avail_in);
    out = out.last(stream_.avail_out);
    ended_ = code == LZMA_STREAM_END;
    if (ended_ || code == LZMA_OK || code == LZMA_BUF_ERROR) return ended_;
    return xz_error(code);
  }

 private:
  lzma_ret start() {
#if LZMA_VERSION >= 50040002
    if (threads_ > 1) {
      lzma_mt options{};
      options.flags = LZMA_TELL_UNSUPPORTED_CHECK;
      options.threads = threads_;
      options.memlimit_threading = threads_ * kThreadBytes;
      options.memlimit_stop = kMaxDecoderBytes;
      return lzma_stream_decoder_mt(&stream_, &options);
    }
#endif
    return lzma_stream_decoder(&stream_, kMaxDecoderBytes, LZMA_TELL_UNSUPPORTED_CHECK);
  }

  [[maybe_unused]] const unsigned threads_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class XzCodec final : public StreamOnlyCodec {
 public:
  std::string_view unit_name() const override { return "xz stream"; }
  size_t magic_bytes() const override { return kMagic.size(); }
  bool can_begin(std::span<const std::byte> front) const override {
    return agrees(front, std::as_bytes(std::span(kMagic)));
  }
  Result<FoundUnit> find_unit(std::span<const std::byte>, bool) const override {
    return FoundUnit{FoundUnit::Kind::Long};
  }
  size_t padding_step() const override { return 4; }
  std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned threads) const override {
    return std::make_unique<XzStreamDecoder>(threads);
  }
  void list_engines(std::vector<std::string>& names) const override {
    names.push_back(fmt::format("liblzma {}", lzma_version_string()));
  }
};

}  // namespace

const BlockCodec& xz_codec() {
  static const XzCodec codec;
  return codec;
}

}  // namespace vmstream
