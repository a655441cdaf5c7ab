// SPDX-License-Identifier: MIT
// Names for the bodies of sections called `block`: disks that migrated within the stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "analysis/names/stretch_writer.h"

namespace vmstream::analysis {

/// Names the records of all such sections, one after the other.
class DiskNames {
 public:
  /// `out` is borrowed.
  explicit DiskNames(StretchWriter& out) : out_(out) {}

  void begin_section() { chunk_left_ = 0; }
  /// A piece of the body as the parser shows it: the front of one record, or data of its chunk.
  void name_piece(std::span<const std::byte> bytes);

 private:
  StretchWriter& out_;
  uint64_t chunk_left_ = 0;  // bytes to come
};

}  // namespace vmstream::analysis
