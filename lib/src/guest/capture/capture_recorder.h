// SPDX-License-Identifier: MIT
// What a capture learns of its stream while it passes: pages, held against QEMU's own count, which
// shows that the stream came from there; passes; digest; index.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/capture.h>
#include <vmstream/indexing.h>
#include <vmstream/visitor.h>
#include "guest/migration/progress_tap.h"
#include "guest/monitor/query.h"

namespace vmstream {

/// Counts the page records of the kinds that QEMU counts by themselves. QEMU's xbzrle count holds
/// pages that it sent in another way too, or not at all, and is left out.
class PageTally final : public StreamVisitor {
 public:
  Status on_page(const Page& page) override;

  /// After all of the stream: whether `sent`, as QEMU gives it after its end, says the same. What
  /// QEMU does not tell is not compared.
  Status compare(const RamProgress& sent) const;

 private:
  uint64_t normal_ = 0;
  uint64_t duplicate_ = 0;  // one byte, repeated
};

/// Counts pass by pass what a precopy sends. A pass is not marked in the stream:
/// one begins with a page that is not behind the page before it, in the order of the block list.
/// This is the rule by which `vmstream-inspect ram` finds them again in the file.
class PassMeter final : public StreamVisitor {
 public:
  /// `rounds`: whether there may be more than one; a background snapshot sends pages out of turn.
  explicit PassMeter(bool rounds) : rounds_(rounds) {}

  Status on_page(const Page& page) override;

  /// Those so far, the last of which lasts until now.
  std::vector<CapturePass> passes() const;

 private:
  void begin_pass();

  bool rounds_;
  std::vector<CapturePass> passes_;
  Clock::time_point begun_ = Clock::now();
  // Where the page before stood.
  const RamBlock* block_ = nullptr;
  uint64_t block_offset_ = 0;
};

/// Stops a stream whose pages have places in their file where the output will have none. QEMU loads
/// it only by position.
class PlacesCheck final : public StreamVisitor {
 public:
  Status on_configuration(const Configuration& configuration) override;
};

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
  /// `how` has no time the stream came by itself, and its index is the same each time. Of a domain
  /// of libvirt `domain_xml` is its description.
  void give_index(CaptureCircumstances how, std::string domain_xml = {});
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
  PlacesCheck places_;
  VisitorList visitors_;
  ProgressTap tap_;
  std::vector<CapturePass> finished_passes_;
};

}  // namespace vmstream
