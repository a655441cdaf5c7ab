// SPDX-License-Identifier: MIT
// What the kernel asks of a view, answered out of the state file on all cores.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <vmstream/lazy_restore.h>
#include <vmstream/memory_view.h>
#include "guest/mapped/page_files.h"
#include "pipeline/mailbox.h"
#include "pipeline/worker_lanes.h"

namespace vmstream {

/// A question for bytes that the file does not give. It has not been answered.
struct LostBytes {
  PageRequest request;
  Error error;
};

/// Readers of the file, one a thread. What lies in one MiB of memory is always read by the same of
/// them: blocks of a compressed file that it has decoded for one question serve the next.
///
/// A question that runs into damage is refused, so that the kernel asks for its pages one by one,
/// as guests need them. One for a single page is handed over unanswered.
class PageAnswers {
 public:
  /// File `n` of a view is block `n` of the index.
  static Result<std::unique_ptr<PageAnswers>> open(const LazyFile& file, unsigned threads,
                                                   Mailbox<LostBytes>& lost);

  /// From one thread.
  void answer(const PageRequest& request);
  ViewCounts counts() const { return {reads_, bytes_}; }

 private:
  explicit PageAnswers(Mailbox<LostBytes>& lost) : lost_(lost) {}
  void answer(LazyReader& reader, const PageRequest& request);
  void leave_out(const PageRequest& request, const Error& error, size_t page_size);

  Mailbox<LostBytes>& lost_;
  std::atomic<uint64_t> reads_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::unique_ptr<WorkerLanes<PageRequest>> lanes_;  // last: its threads use the rest
};

}  // namespace vmstream
