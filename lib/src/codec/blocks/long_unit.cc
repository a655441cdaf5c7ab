// SPDX-License-Identifier: MIT
#include "codec/blocks/long_unit.h"

#include <fmt/format.h>

namespace vmstream {
namespace {

constexpr size_t kChunkBytes = 1024 * 1024;

}  // namespace

Status LongUnitReader::begin() {
  if (!decoder_) decoder_ = codec_.make_stream_decoder(threads_);
  shown_.clear();
  held_.clear();
  ended_ = false;
  return decoder_->reset();
}

Result<std::span<const std::byte>> LongUnitReader::next() {
  std::swap(shown_, held_);  // the chunk held back so far comes first
  held_.clear();
  if (shown_.empty() && !ended_) {
    if (auto decoded = decode_chunk(); !decoded) return decoded.error();
    std::swap(shown_, held_);
    held_.clear();
  }
  if (!ended_) {
    if (auto decoded = decode_chunk(); !decoded) return decoded.error();
  }
  return shown_.view();
}

// Fills held_ with at least one byte unless the unit ends before.
Status LongUnitReader::decode_chunk() {
  held_.reserve(kChunkBytes);
  size_t want = 1;
  while (!ended_ && !held_.room().empty()) {
    if (auto filled = window_.fill(want); !filled) return filled.error();
    auto in = window_.view();
    size_t offered = in.size();
    auto out = held_.room();
    auto done = decoder_->decode(in, out);
    if (!done) return done.error();
    size_t made = held_.room().size() - out.size();
    held_.extend(made);
    window_.consume(offered - in.size());
    ended_ = *done;
    want = in.size() + 1;
    bool stuck = in.size() == offered && made == 0 && window_.at_end();
    if (!stuck || ended_) continue;
    ended_ = in.empty() && decoder_->may_end();
    if (!ended_) {
      return Error{Errc::Truncated,
                   fmt::format("{}: cut off by the end of the file", codec_.unit_name())};
    }
  }
  return ok();
}

}  // namespace vmstream
