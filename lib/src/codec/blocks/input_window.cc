// SPDX-License-Identifier: MIT
#include "codec/blocks/input_window.h"

#include <algorithm>

#include "base/hash.h"

namespace vmstream {
namespace {

// Large reads, so that a file costs few system calls; and room for several units, so that what is
// left of the last one is seldom moved.
constexpr size_t kReadBytes = 1024 * 1024;
constexpr size_t kWindowBytes = 4 * kReadBytes;

}  // namespace

Status InputWindow::fill(size_t count) {
  while (!ended_ && view().size() < count) {
    if (buffer_.room().size() < kReadBytes) {
      buffer_.drop_front(std::exchange(used_, 0));
      buffer_.reserve(std::max(kWindowBytes, count + kReadBytes));
    }
    auto read = source_->read(buffer_.room());
    if (!read) return read.error();
    buffer_.extend(*read);
    ended_ = *read == 0;
  }
  return ok();
}

void InputWindow::consume(size_t count) {
  if (sums_) checksum_ = crc32_of(view().first(count), checksum_);
  used_ += count;
  file_offset_ += count;
}

void InputWindow::put_back(std::span<const std::byte> bytes) {
  if (bytes.size() > used_) {
    Buffer moved(std::max(kWindowBytes, bytes.size() + view().size()));
    moved.extend(bytes.size());
    moved.append(view());
    buffer_ = std::move(moved);
    used_ = bytes.size();
  }
  used_ -= bytes.size();
  file_offset_ -= bytes.size();
  std::ranges::copy(bytes, buffer_.data() + used_);
}

Result<uint64_t> InputWindow::skip(uint64_t count) {
  uint64_t skipped = 0;
  while (skipped < count) {
    if (auto filled = fill(1); !filled) return filled.error();
    if (view().empty()) break;
    size_t step = static_cast<size_t>(std::min<uint64_t>(count - skipped, view().size()));
    consume(step);
    skipped += step;
  }
  return skipped;
}

}  // namespace vmstream
