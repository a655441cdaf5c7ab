// SPDX-License-Identifier: MIT
#include "analysis/extract/sparse_writer.h"

#include <algorithm>
#include <utility>

#include "base/zero.h"

namespace vmstream {
Status SparseWriter::write(uint64_t offset, std::span<const std::byte> bytes) {
  if (is_zero(bytes)) return clear(offset, bytes.size());
  bool follows = offset == run_offset_ + run_.size() && run_.size() < kRunBytes;
  if (run_.empty() || !follows) {
    if (auto flushed = flush(); !flushed) return flushed;
    run_offset_ = offset;
  }
  run_.insert(run_.end(), bytes.begin(), bytes.end());
  written_end_ = std::max(written_end_, offset + bytes.size());
  return ok();
}

Status SparseWriter::clear(uint64_t offset, uint64_t length) {
  if (offset >= written_end_) return ok();
  if (hole_length_ > 0 && offset == hole_offset_ + hole_length_) {
    hole_length_ += length;
    return ok();
  }
  if (auto flushed = flush(); !flushed) return flushed;
  hole_offset_ = offset;
  hole_length_ = length;
  return ok();
}

Status SparseWriter::read(uint64_t offset, std::span<std::byte> into) {
  if (auto flushed = flush(); !flushed) return flushed;
  return out_.read_at(offset, into);
}

Status SparseWriter::flush() {
  if (!run_.empty()) {
    if (auto written = out_.write_at(run_offset_, run_); !written) return written;
    run_.clear();
  }
  if (hole_length_ == 0) return ok();
  return out_.clear_at(hole_offset_, std::exchange(hole_length_, 0));
}

}  // namespace vmstream
