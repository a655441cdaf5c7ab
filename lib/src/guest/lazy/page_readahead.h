// SPDX-License-Identifier: MIT
// Guest memory read ahead of its being pushed, on several threads.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/lazy_restore.h>
#include "guest/lazy/lazy_reader.h"
#include "guest/lazy/served_blocks.h"
#include "pipeline/buffer.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {

/// Units that were read at once.
struct PageBatch {
  struct Part {
    UnitRange range;
    size_t begin = 0;       ///< of its pages in `bytes`
    bool is_whole = false;  ///< else these bytes are no pages
  };
  std::vector<Part> parts;
  Buffer bytes;
};

/// One of them.
struct ReadUnit {
  size_t block = 0;
  uint64_t unit = 0;
  /// Empty where it was read together with others and not all of these could be read.
  std::span<const std::byte> pages = {};
};

/// Reads units in a given order. Memory: kBatchBytes or one unit, whichever is more, for each
/// result under way (2 * threads + 3) and the one that is being given out, and a LazyReader for
/// each thread.
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

  /// Sets as much work going as there is room for, leaving out what has been delivered, and takes
  /// up what has been read once all before has been given out. Does not wait.
  Status advance(const DeliveryLedger& ledger);
  /// The next unit of what was taken up, with pages that live until advance(); nothing after the
  /// last.
  std::optional<ReadUnit> next();
  /// Whether advance() and next() would give one now.
  bool ready() const { return has_units() || pipeline_->ready(); }
  /// Whether everything has been given out. Asked after advance().
  bool done() const { return !has_units() && next_ == order_.size() && pipeline_->empty(); }

 private:
  using Pipeline = OrderedPipeline<std::vector<UnitRange>, PageBatch>;

  PageReadahead(const std::vector<ServedBlock>& blocks, std::vector<UnitRange> order,
                size_t page_size)
      : blocks_(blocks), order_(std::move(order)), page_size_(page_size) {}
  std::vector<UnitRange> next_batch(const DeliveryLedger& ledger);
  void set_going(const DeliveryLedger& ledger);
  bool has_units() const { return part_ < batch_.parts.size(); }

  const std::vector<ServedBlock>& blocks_;
  const std::vector<UnitRange> order_;
  const size_t page_size_;
  size_t next_ = 0;      // range of order_ that comes next
  uint64_t within_ = 0;  // units of it that were dealt with
  PageBatch batch_;      // being given out
  size_t part_ = 0;
  uint64_t part_units_ = 0;  // of this part that were
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace vmstream
