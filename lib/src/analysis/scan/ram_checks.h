// SPDX-License-Identifier: MIT
// The content of a ram section: blocks, pages and marks that no load takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/scan/check_log.h"
#include "format/ram/sent_memory.h"

namespace vmstream::analysis {

/// Unpacks what QEMU unpacks. The facts are those of its migration/ram.c, ram-compress.c, xbzrle.c
/// and zero page handling. Memory: a page, and as many problems as a log keeps.
class RamChecks {
 public:
  /// `log` is borrowed.
  explicit RamChecks(CheckLog& log) : log_(log) {}

  /// The page channels of the migration are not missed.
  void set_channels_at_hand() { channels_at_hand_ = true; }

  void on_configuration(const Configuration& configuration);
  void on_ram_blocks(const RamBlockList& list);
  void on_page(const Page& page);
  void on_ram_mark(RamMark mark, uint64_t offset);
  /// Once the whole stream has told which releases can load it: `is_new` where none before 9.0 can,
  /// `is_old` where none after it can.
  void finish(bool is_new, bool is_old);
  /// Of a stream that was read from front to end: whether its memory is in it.
  void check_memory();

 private:
  void check_mapped(const RamBlock& block);
  void check_delta(const Page& page);
  void check_packed(const Page& page);
  void keep_fill(const Page& page);

  CheckLog& log_;
  bool channels_at_hand_ = false;
  bool has_configuration_ = false;
  SentMemory memory_;
  std::optional<uint64_t> page_bytes_;
  size_t blocks_seen_ = 0;
  std::vector<Problem> fills_;      // zero pages with a value
  std::vector<std::byte> scratch_;  // a page that nobody wants
};

}  // namespace vmstream::analysis
