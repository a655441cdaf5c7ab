// SPDX-License-Identifier: MIT
// How a stream sends its RAM: page records by kind, passes, pages sent again, and where.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <vmstream/problems.h>
#include <vmstream/stream_summary.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// One round of the sender over the blocks.
struct RamPass {
  uint64_t pages = 0;  ///< page records
  uint64_t bytes = 0;  ///< of the stream, with the heads of the records
};

/// What stretches of a block look like at the end, from nothing to most.
enum class RamCell : uint8_t { Absent, Zero, Fill, Data, Resent };
std::string_view name_of(RamCell cell);

/// One RAM block. `pages` counts records; a page sent twice counts twice.
struct RamBlockUsage {
  std::string name;  ///< not escaped; empty in ram version 3, whose RAM is one range of addresses
  uint64_t size = 0;
  uint64_t block_pages = 0;  ///< pages that the block consists of
  PageCounts pages;
  uint64_t absent_pages = 0;  ///< of block_pages: never sent
  uint64_t resent_pages = 0;  ///< of block_pages: sent more than once
  /// The block from its start in cells of pages_per_cell pages (the last may be short), each the
  /// highest value among its pages. At most kMostCells.
  std::vector<RamCell> map;
  uint64_t pages_per_cell = 1;
};

/// The answers. Owns everything.
struct RamUsage {
  static constexpr size_t kMostCells = 1024;

  uint32_t page_size = 0;
  std::vector<RamBlockUsage> blocks;
  std::vector<RamPass> passes;
  std::vector<uint64_t> resends;  ///< pages sent once, twice, …
  uint64_t table_bytes = 0;       ///< memory of the page tables
  bool mapped = false;    ///< pages have fixed places in the file: each is there once, at its last
  bool postcopy = false;  ///< the last pass holds the pages that the running guest asked for
  ProblemLog problems;
};

/// Collects them from parser events.
///
/// Memory: 4 bytes for each run of pages that were sent alike (kind, times), and 100 for each 1024
/// pages of the guest that are spoken of; at worst a little over 4 bytes a page. Stretches never
/// sent cost nothing. Beyond 4 GiB the stream is Errc::Unsupported.
///
/// Passes are not marked in a stream. A new one begins where a page's place, in the order of the
/// block list, is not behind that of the page before. Not so where the sender is known to leave its
/// order: a background snapshot sends pages out of turn that the guest is about to change, each
/// once, so a page that was never sent does not end the first pass; compression threads finish
/// within some pages of each other; after the switch to postcopy the guest asks, which is one last
/// pass.
class RamUsageCollector final : public StreamVisitor {
 public:
  RamUsageCollector();
  ~RamUsageCollector() override;

  /// Call once, and collect nothing after.
  RamUsage finish();

  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_command(const Command& command) override;
  Status on_problem(const Problem& problem) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
