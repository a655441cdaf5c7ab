// SPDX-License-Identifier: MIT
// ISA-L: deflate at several hundred MB/s, for a ratio a little below that of gzip's level 1, and
// the fastest inflate there is for streams that cannot be held whole.
#ifdef VMSTREAM_HAVE_ISAL

#include <fmt/format.h>
#include <isa-l.h>

#include <algorithm>
#include <array>

#include "codec/gzip/deflate_engines.h"

namespace vmstream {
namespace {

constexpr std::array<size_t, 4> kScratchBytes{ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
                                              ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

class IsalDeflater final : public Deflater {
 public:
  explicit IsalDeflater(int level)
      : level_(static_cast<uint32_t>(level)), scratch_(kScratchBytes[static_cast<size_t>(level)]) {}

  // What cannot be compressed is stored, in pieces with five bytes in front of each.
  size_t bound(size_t plain_bytes) override {
    constexpr size_t kStoredPiece = 32 * 1024;
    return plain_bytes + 5 * (plain_bytes / kStoredPiece + 1) + 1024;
  }

  size_t deflate(std::span<const std::byte> plain, std::span<std::byte> packed) override {
    isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.level = level_;
    stream.level_buf = scratch_.data();
    stream.level_buf_size = static_cast<uint32_t>(scratch_.size());
    stream.end_of_stream = 1;
    stream.flush = NO_FLUSH;
    stream.next_in =  // not written to
        const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(plain.data()));
    stream.avail_in = static_cast<uint32_t>(plain.size());
    stream.next_out = reinterpret_cast<uint8_t*>(packed.data());
    stream.avail_out = static_cast<uint32_t>(packed.size());
    return isal_deflate_stateless(&stream) == COMP_OK ? stream.total_out : 0;
  }

 private:
  uint32_t level_;
  std::vector<uint8_t> scratch_;
};

class IsalStreamInflater final : public StreamInflater {
 public:
  bool reset() override {
    isal_inflate_init(&state_);
    left_over_.clear();
    return true;
  }

  std::optional<bool> inflate(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    auto offered_in = static_cast<uint32_t>(std::min(in.size(), kMostAtOnce));
    auto offered_out = static_cast<uint32_t>(std::min(out.size(), kMostAtOnce));
    state_.next_in =  // not written to
        const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(in.data()));
    state_.avail_in = offered_in;
    state_.next_out = reinterpret_cast<uint8_t*>(out.data());
    state_.avail_out = offered_out;
    // The library's only use for this count is to know how far back a match may reach.
    state_.total_out = std::min<uint32_t>(state_.total_out, kMostAtOnce);
    int code = isal_inflate(&state_);
    // Of damaged data it may claim to have used more than there was.
    if (code != ISAL_DECOMP_OK || state_.avail_in > offered_in) return std::nullopt;
    in = in.subspan(offered_in - state_.avail_in);
    out = out.subspan(offered_out - state_.avail_out);
    if (state_.block_state != ISAL_BLOCK_FINISH) return false;
    keep_left_over();
    return true;
  }

  std::span<const std::byte> left_over() const override { return left_over_; }

 private:
  static constexpr size_t kMostAtOnce = size_t{1} << 30;

  // Bits are fetched by the word, which may reach behind the stream's end and even into bytes of
  // an earlier call.
  void keep_left_over() {
    int bits = std::max(state_.read_in_length, 0);
    uint64_t word = state_.read_in >> (bits % 8);
    for (int i = 0; i < bits / 8; ++i) left_over_.push_back(std::byte(word >> (8 * i) & 0xff));
    state_.read_in_length = 0;
  }

  inflate_state state_;
  std::vector<std::byte> left_over_;
};

}  // namespace

std::unique_ptr<StreamInflater> make_isal_stream_inflater() {
  return std::make_unique<IsalStreamInflater>();
}
std::unique_ptr<Deflater> make_isal_deflater(int level) {
  return std::make_unique<IsalDeflater>(level);
}
std::string isal_name() {
  return fmt::format("ISA-L {}.{}.{}", ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
}

}  // namespace vmstream

#endif
