// SPDX-License-Identifier: MIT
// The RAM blocks of a mapped-ram file that is being written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/output_file.h>
#include "format/records/records.h"

namespace vmstream {

/// Gives each block the place of its bitmap and its pages, and puts pages there as they come: of
/// several for one place the last counts. Pages that are zero take no room in the file, whichever
/// record they came in. Memory: a bit a page, at most 64 MiB, and 1 MiB.
class MappedAreas {
 public:
  /// `file` is borrowed, and written by position.
  explicit MappedAreas(OutputFile& file) : file_(file) {}

  /// Writes the entries of the list, at `position`, with what they tell of the places. Returns the
  /// position behind the last block. Call once. Errc::Unsupported for blocks that have no place in
  /// such a file, or are too large.
  Result<uint64_t> lay_out(const RamBlockList& list, uint32_t page_bytes, uint64_t position);
  bool is_laid_out() const { return page_bytes_ != 0; }

  /// Of a block of the list.
  Status take(const Page& page);
  /// Writes what is left, the bitmaps last: until then the file holds no page.
  Status finish();

 private:
  struct Area {
    std::string name;
    uint64_t length = 0;
    uint64_t bitmap_offset = 0;
    uint64_t pages_offset = 0;
    std::vector<uint64_t> stored;  // a bit a page
  };
  struct Place {
    Area& area;
    uint64_t page = 0;
    uint64_t offset = 0;  // in the file

    bool is_stored() const { return ((area.stored[page / 64] >> (page % 64)) & 1) != 0; }
    void note(bool stored) const;
  };

  Result<Area> make_area(const RamBlock& block, uint64_t position) const;
  Result<Place> find(const Page& page);
  Status store(const Place& place, std::span<const std::byte> content);
  Status clear(const Place& place);
  Status change(const Place& place, const Page& page);
  Status fetch(const Place& place);
  Status flush();

  OutputFile& file_;
  uint64_t page_bytes_ = 0;
  std::vector<Area> areas_;
  size_t last_area_ = 0;  // that a page was for
  Bytes content_;         // of a page that comes in another form
  Bytes run_;             // pages one behind the other, not written yet
  uint64_t run_offset_ = 0;
};

}  // namespace vmstream
