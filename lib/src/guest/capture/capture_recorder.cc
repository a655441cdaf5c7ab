// SPDX-License-Identifier: MIT
#include "guest/capture/capture_recorder.h"

#include <fmt/chrono.h>

#include <vmstream/version.h>

namespace vmstream {
namespace {

DigestMode digest_mode(const CaptureOptions& options) {
  if (!options.digest) return DigestMode::None;
  return options.threads == 1 ? DigestMode::Inline : DigestMode::Beside;
}

ProgressTap::OnProgress progress_to(CaptureObserver* observer) {
  if (!observer) return {};
  return [observer](const StreamCounts& counts) { observer->on_progress(counts); };
}

}  // namespace

std::string current_time() {
  auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

CaptureRecorder::CaptureRecorder(CaptureMode mode, const CaptureOptions& options,
                                 CaptureObserver* observer)
    : options_(options),
      time_(current_time()),
      passes_(mode == CaptureMode::Live),
      visitors_{&passes_, &tally_, options.index ? &builder_ : nullptr},
      tap_(digest_mode(options), progress_to(observer), &visitors_) {}

Status CaptureRecorder::finish() {
  auto whole = tap_.finish();
  finished_passes_ = passes_.passes();
  return whole;
}

void CaptureRecorder::give_index(CaptureCircumstances how) {
  if (!options_.index) return;
  StateIndex index =
      builder_.finish(tap_.counts().stream_bytes, tap_.parser().stream_length(), true);
  how.vmstream_version = version();
  index.facts.sha256 = tap_.sha256();
  for (const CapturePass& pass : finished_passes_) {
    index.facts.passes.push_back({pass.pages, pass.bytes, how.time.empty() ? 0 : pass.seconds});
  }
  index.facts.capture = std::move(how);
  options_.index(std::move(index));
}

CaptureSummary CaptureRecorder::summary() const {
  CaptureSummary summary;
  summary.counts = tap_.counts();
  summary.machine = tap_.machine();
  summary.sha256 = tap_.sha256();
  summary.passes = finished_passes_;
  summary.total_seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  return summary;
}

}  // namespace vmstream
