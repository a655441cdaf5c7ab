// SPDX-License-Identifier: MIT
// Pages as PART sections of the ram section.
#pragma once

#include <vmstream/format.h>
#include "format/records/records.h"
#include "guest/lazy/postcopy_opening.h"
#include "guest/lazy/served_blocks.h"

namespace vmstream {

/// Appends sections to `out` (borrowed). A section is opened by its first unit.
class PartWriter {
 public:
  PartWriter(Bytes& out, RamSection section, uint32_t page_size)
      : out_(out), section_(section), page_size_(page_size) {}

  /// All pages of a unit, one behind the other. Pages of zeros become records without content.
  Status add(const ServedBlock& block, uint64_t unit, std::span<const std::byte> pages);
  /// Closes the section that is open, if one is.
  void close();
  /// The END section, which holds no page, and the stream's end.
  void end_stream();

 private:
  void open(SectionType type);

  Bytes& out_;
  RamSection section_;
  uint32_t page_size_;
  bool is_open_ = false;
  std::string last_block_;  // named last in this section
};

}  // namespace vmstream
