// SPDX-License-Identifier: MIT
// The pages of a guest as records of its stream, each page once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <vmstream/ram_image.h>
#include "format/records/records.h"

namespace vmstream {

/// Writes the last content of every page that was sent, block after block in the order of the list.
/// The first record of a block names it.
class PageRecords {
 public:
  /// `image` is borrowed. Blocks whose names are in `left_out` give no record.
  PageRecords(RamImage& image, const std::vector<std::string>& left_out);

  bool all_made() const { return next_ == blocks_.size(); }
  /// Appends at most a MiB of pages.
  Status append(Bytes& out);

 private:
  struct Block {
    size_t number;  // in the image's list
    RamBlock block;
  };

  Status append_pages(Bytes& out, const PageRun& run, uint64_t first, uint64_t count);
  void skip_done();

  RamImage& image_;
  std::vector<Block> blocks_;
  size_t next_ = 0;  // of blocks_
  PageRuns::const_iterator run_;
  uint64_t done_in_run_ = 0;
  bool named_ = false;  // a record of this block has given its name
  Bytes content_;
};

}  // namespace vmstream
