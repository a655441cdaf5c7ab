// SPDX-License-Identifier: MIT
#include "analysis/images/image_sink.h"

#include <algorithm>
#include <vector>

#include "base/zero.h"

namespace vmstream {
namespace {

constexpr size_t kPage = 4096;

}  // namespace

// Runs of pages that hold something are written in one call each.
Status FileImageSink::put(uint64_t offset, std::span<const std::byte> bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    size_t end = at;
    while (end < bytes.size()) {
      size_t page = std::min(kPage, bytes.size() - end);
      if (is_zero(bytes.subspan(end, page))) break;
      end += page;
    }
    if (end > at) {
      auto written = out_.write_at(offset + at, bytes.subspan(at, end - at));
      if (!written) return written;
    }
    at = end + kPage;
  }
  return ok();
}

Status PipeImageSink::put(uint64_t offset, std::span<const std::byte> bytes) {
  if (auto filled = end(offset); !filled) return filled;
  position_ += bytes.size();
  return out_.write(bytes);
}

Status PipeImageSink::end(uint64_t length) {
  constexpr size_t kZeroBytes = 64 * 1024;
  static const std::vector<std::byte> zeros(kZeroBytes);
  while (position_ < length) {
    auto part = static_cast<size_t>(std::min<uint64_t>(kZeroBytes, length - position_));
    if (auto written = out_.write(std::span(zeros).first(part)); !written) return written;
    position_ += part;
  }
  return ok();
}

}  // namespace vmstream
