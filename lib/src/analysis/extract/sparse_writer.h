// SPDX-License-Identifier: MIT
// Pages of a memory or disk image on their way into a file with holes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <vmstream/output_file.h>

namespace vmstream {

/// Writes at positions in any order; the last writer wins. Neighbours that come in a row are
/// written, or cleared, in one call. Bytes that are all zero become holes.
class SparseWriter {
 public:
  /// `out` is borrowed.
  explicit SparseWriter(OutputFile& out) : out_(out) {}

  Status write(uint64_t offset, std::span<const std::byte> bytes);
  Status clear(uint64_t offset, uint64_t length);
  /// What was written there last; zeros where nothing was.
  Status read(uint64_t offset, std::span<std::byte> into);
  /// Everything so far is with the file.
  Status flush();

 private:
  // Half of a usual second-level cache: the bytes are still there when the kernel copies them.
  static constexpr size_t kRunBytes = 512 * 1024;

  OutputFile& out_;
  // Pending is either a run of bytes or a hole.
  std::vector<std::byte> run_;
  uint64_t run_offset_ = 0;
  uint64_t hole_offset_ = 0;
  uint64_t hole_length_ = 0;
  uint64_t written_end_ = 0;  // nothing was written behind it: a hole already
};

}  // namespace vmstream
