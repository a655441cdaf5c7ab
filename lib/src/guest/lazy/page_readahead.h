// SPDX-License-Identifier: MIT
// Guest memory read ahead of its being pushed, on several threads.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <vmstream/lazy_restore.h>
#include "guest/lazy/lazy_reader.h"
#include "guest/lazy/served_blocks.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {

/// Units that were read at once.
struct PageBatch {
  struct Part {
    UnitRange range;
    size_t begin = 0;  ///< of its pages in `bytes`
    std::optional<Error> fault = std::nullopt;
  };
  std::vector<Part> parts;
  std::vector<std::byte> bytes;
};

/// Reads units in a given order. Memory: kBatchBytes or one unit, whichever is more, for each
/// result under way (2 * threads + 3), and a LazyReader for each thread.
class PageReadahead {
 public:
  static constexpr uint64_t kBatchBytes = 4u << 20;
  /// More do not help: QEMU takes pages in on one thread. Fewer would be none beside the caller's,
  /// which must not wait for the disk.
  static constexpr unsigned kFewestThreads = 2;
  static constexpr unsigned kMostThreads = 4;

  /// `blocks` is borrowed. Reading ends with `limits`.
  static Result<std::unique_ptr<PageReadahead>> open(const LazyFile& file,
                                                     const std::vector<ServedBlock>& blocks,
                                                     std::vector<UnitRange> order, unsigned threads,
                                                     WaitLimits limits = {});

  /// Sets as much work going as there is room for, leaving out what has been delivered.
  void advance(const DeliveryLedger& ledger);
  /// Whether a batch can be taken without waiting.
  bool ready() const { return pipeline_->ready(); }
  /// Whether everything has been taken. Asked behind advance().
  bool done() const { return next_ == order_.size() && pipeline_->empty(); }
  Result<PageBatch> take() { return pipeline_->pop(); }

 private:
  using Pipeline = OrderedPipeline<std::vector<UnitRange>, PageBatch>;

  PageReadahead(const std::vector<ServedBlock>& blocks, std::vector<UnitRange> order)
      : blocks_(blocks), order_(std::move(order)) {}
  std::vector<UnitRange> next_batch(const DeliveryLedger& ledger);

  const std::vector<ServedBlock>& blocks_;
  const std::vector<UnitRange> order_;
  size_t next_ = 0;      // range of order_ that comes next
  uint64_t within_ = 0;  // units of it that were dealt with
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace vmstream
