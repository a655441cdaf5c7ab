// SPDX-License-Identifier: MIT
#include "state/wanted_feed.h"

#include <algorithm>

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;

}  // namespace

Status WantedFeed::step(uint64_t end) {
  uint64_t left = end - parser_.offset();
  if (uint64_t count = parser_.skippable(); count > 0 && count <= left) return parser_.skip(count);
  buffer_.resize(static_cast<size_t>(std::min(left, kPieceBytes - parser_.offset() % kPieceBytes)));
  if (auto read = plain_.read_at(parser_.offset(), buffer_); !read) return read;
  return parser_.feed(buffer_);
}

Status WantedFeed::run() {
  while (parser_.offset() < plain_.length()) {
    if (auto taken = step(plain_.length()); !taken) return taken;
  }
  return parser_.finish();
}

}  // namespace vmstream
