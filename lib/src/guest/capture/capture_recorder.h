// SPDX-License-Identifier: MIT
// What a capture learns of its stream while it passes.
#pragma once

#include <string>

#include <vmstream/capture.h>
#include <vmstream/index_builder.h>
#include <vmstream/visitor_list.h>
#include "guest/capture/page_counts.h"
#include "guest/migration/progress_tap.h"

namespace vmstream {

/// For CaptureCircumstances::time.
std::string current_time();

/// Counts, passes, digest, and the index where one is asked for. Borrows options and observer.
class CaptureRecorder {
 public:
  /// Only a live save is known to make passes.
  CaptureRecorder(CaptureMode mode, const CaptureOptions& options, CaptureObserver* observer);

  ProgressTap& tap() { return tap_; }
  /// The stream has ended: complete, or Errc::Truncated.
  Status finish();

  /// After finish(): whether it holds the pages that QEMU says it has sent.
  Status compare(const RamProgress& sent) const { return tally_.compare(sent); }

  /// After finish(), before the sink is finished: hands the index to whom it was promised. Where
  /// `how` has no time the stream came by itself, and its index is the same each time.
  void give_index(CaptureCircumstances how);
  /// The start of the capture, for CaptureCircumstances.
  const std::string& time() const { return time_; }

  CaptureSummary summary() const;

 private:
  const CaptureOptions& options_;
  Clock::time_point start_ = Clock::now();
  std::string time_;
  IndexBuilder builder_;
  PassMeter passes_;
  PageTally tally_;
  VisitorList visitors_;
  ProgressTap tap_;
  std::vector<CapturePass> finished_passes_;
};

}  // namespace vmstream
