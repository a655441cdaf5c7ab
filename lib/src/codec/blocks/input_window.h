// SPDX-License-Identifier: MIT
// The part of the compressed input that is in memory.
#pragma once

#include <memory>
#include <span>

#include <vmstream/byte_source.h>
#include "pipeline/buffer.h"

namespace vmstream {

/// Looks ahead in a source. Used by one thread.
class InputWindow {
 public:
  /// `sums`: whether checksum() is wanted.
  InputWindow(std::unique_ptr<ByteSource> source, bool sums)
      : source_(std::move(source)), sums_(sums) {}

  /// Reads until view() has `count` bytes or the input has ended.
  Status fill(size_t count);

  /// The bytes read and not yet consumed. Lives until the next fill() or skip().
  std::span<const std::byte> view() const { return buffer_.view().subspan(used_); }
  /// Whether view() is all that is left.
  bool at_end() const { return ended_; }
  void consume(size_t count);
  /// What was consumed last comes to the front again.
  void put_back(std::span<const std::byte> bytes);
  /// Consumes bytes that need not be in memory; says how many of them there were.
  Result<uint64_t> skip(uint64_t count);

  /// The CRC-32 of what was consumed since the last restart, of which nothing may be put back.
  uint32_t checksum() const { return checksum_; }
  void restart_checksum() { checksum_ = 0; }

  uint64_t file_offset() const { return file_offset_; }  ///< of the front of view()

 private:
  std::unique_ptr<ByteSource> source_;
  Buffer buffer_;
  size_t used_ = 0;
  bool ended_ = false;
  uint64_t file_offset_ = 0;
  bool sums_;
  uint32_t checksum_ = 0;
};

}  // namespace vmstream
