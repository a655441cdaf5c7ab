// SPDX-License-Identifier: MIT
#include "container/qcow2/cluster_unpacker.h"

#include <zstd.h>

#include "codec/gzip/deflate.h"

namespace vmstream {
namespace {

class DeflateUnpacker final : public ClusterUnpacker {
 public:
  explicit DeflateUnpacker(std::unique_ptr<StreamInflater> inflater)
      : inflater_(std::move(inflater)) {}

  bool unpack(std::span<const std::byte> packed, std::span<std::byte> cluster) override {
    if (!inflater_->reset()) return false;
    while (!cluster.empty()) {
      size_t left_before = packed.size() + cluster.size();
      auto ended = inflater_->inflate(packed, cluster);
      bool stuck = packed.size() + cluster.size() == left_before;
      if (!ended) return false;
      if (*ended || stuck) break;
    }
    return cluster.empty();
  }

 private:
  std::unique_ptr<StreamInflater> inflater_;
};

class ZstdUnpacker final : public ClusterUnpacker {
 public:
  using Context = std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)>;
  explicit ZstdUnpacker(Context context) : context_(std::move(context)) {}

  bool unpack(std::span<const std::byte> packed, std::span<std::byte> cluster) override {
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer out{cluster.data(), cluster.size(), 0};
    while (out.pos < out.size) {
      size_t used_before = in.pos + out.pos;
      size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      bool stuck = in.pos + out.pos == used_before;
      if (ZSTD_isError(left) != 0 || stuck) break;
    }
    return out.pos == out.size;
  }

 private:
  Context context_;
};

std::unique_ptr<ClusterUnpacker> make_zstd_unpacker() {
  constexpr int kMostWindowBits = 23;  // a cluster has 21 at most
  ZstdUnpacker::Context context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return nullptr;
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kMostWindowBits);
  return std::make_unique<ZstdUnpacker>(std::move(context));
}

}  // namespace

std::unique_ptr<ClusterUnpacker> make_cluster_unpacker(ClusterCompression compression) {
  if (compression == ClusterCompression::Zstd) return make_zstd_unpacker();
  auto inflater = make_stream_inflater();
  return inflater ? std::make_unique<DeflateUnpacker>(std::move(inflater)) : nullptr;
}

}  // namespace vmstream
