// SPDX-License-Identifier: MIT
// Where the main stream of several connections changes when it becomes the stream of one.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include <vmstream/visitor.h>

#include "format/records/records.h"

namespace vmstream {

/// A place in the main stream, and what stands there instead.
struct MainEdit {
  enum class Insert {
    Nothing,
    Interval,  ///< what the channels have up to their next SYNC
    Rest,      ///< all that they still have
  };
  uint64_t offset = 0;
  uint64_t length = 0;  ///< bytes of the main stream that are left out
  Bytes bytes = {};     ///< that take their place
  Insert insert = Insert::Nothing;
};

/// Collects the edits in the order of the stream:
///
/// - At a mark at which the receiver waits for the SYNC of all channels stand the pages of this
///   interval. Senders of 8.1 and later send marks for that (RamMark::MultifdFlush), which go;
///   others mean the end of each slice of ram. No page comes twice between two such places, so that
///   the order within an interval is free.
/// - At the end of ram's last slice stands the rest.
/// - A page that goes on with the block of the one before it has to name it where pages of other
///   blocks now stand between.
class MainEditor final : public StreamVisitor {
 public:
  Status on_section(const SectionHeader& header) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;

  /// Taken off by who makes them.
  std::deque<MainEdit>& edits() { return edits_; }

  /// The START of ram, once it has ended.
  struct RamStart {
    uint32_t section_id = 0;
    uint64_t end_offset = 0;
  };
  const std::optional<RamStart>& ram_start() const { return ram_start_; }
  /// Behind the last slice of ram: no edit comes any more.
  bool is_memory_over() const { return memory_over_; }

 private:
  void insert(uint64_t offset, uint64_t length, MainEdit::Insert what);

  std::deque<MainEdit> edits_;
  std::optional<RamStart> ram_start_;
  bool by_marks_ = false;
  bool in_last_slice_ = false;
  bool name_due_ = false;  // pages were inserted behind the last page
  bool memory_over_ = false;
};

}  // namespace vmstream
