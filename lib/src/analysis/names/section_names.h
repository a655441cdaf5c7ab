// SPDX-License-Identifier: MIT
// Names for the bodies of iterable sections: ram, with its block list, pages and marks; and block,
// disks that migrated within the stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <vmstream/format.h>

#include "analysis/names/stretch_writer.h"

namespace vmstream {

/// Names the records of all ram sections, one after the other. Where not every page is asked for,
/// the first of each section and of each change of block is shown, and those behind it are a row.
class RamNames {
 public:
  /// `out` is borrowed.
  explicit RamNames(StretchWriter& out) : out_(out) {}

  void begin_section() { first_of_section_ = true; }
  /// The list of a mapped-ram stream comes again with each block: only what is new is named.
  void name_blocks(const RamBlockList& list);
  void name_page(const Page& page);
  void name_mark(RamMark mark);
  /// Ends the row of pages; due before any stretch of another kind.
  void end_row();
  /// Names the front of a page record that breaks off, takes it off `bytes` and gives the meaning
  /// of the rest; nothing where `bytes` are no such record.
  std::optional<std::string> name_broken_page(std::span<const std::byte>& bytes);

 private:
  // Page records that are shown as one stretch.
  struct Row {
    uint64_t first = 0;  // offsets in the block
    uint64_t last = 0;
    uint64_t end = 0;  // offset in the stream
    uint64_t pages = 0;
    uint64_t data_pages = 0;
    uint64_t zero_pages = 0;
  };

  void name_block(const RamBlock& block);
  void name_mapped_header(const MappedRam& mapped);
  void name_record(const Page& page);
  void name_word(uint64_t block_offset, uint64_t flags);
  void add_to_row(const Page& page, uint64_t end);

  StretchWriter& out_;
  bool first_of_section_ = false;  // no page of it has been shown
  size_t blocks_named_ = 0;
  std::optional<Row> row_;
};

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

}  // namespace vmstream
