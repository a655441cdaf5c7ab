// SPDX-License-Identifier: MIT
#include "guest/capture/capture_recorder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <tuple>

#include "state/unmapped.h"

namespace vmstream {
namespace {

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

DigestMode digest_mode(const CaptureOptions& options) {
  if (!options.digest) return DigestMode::None;
  return options.threads == 1 ? DigestMode::Inline : DigestMode::Beside;
}

ProgressTap::OnProgress progress_to(CaptureObserver* observer) {
  if (!observer) return {};
  return [observer](const StreamCounts& counts) { observer->on_progress(counts); };
}

}  // namespace

Status PageTally::on_page(const Page& page) {
  switch (page.kind) {
    case PageKind::Data:
      ++normal_;
      break;
    case PageKind::Zero:
    case PageKind::Fill:
      ++duplicate_;
      break;
    case PageKind::Xbzrle:
    case PageKind::Compressed:
      break;
  }
  return ok();
}

Status PageTally::compare(const RamProgress& sent) const {
  if (sent.normal_pages.value_or(normal_) == normal_ &&
      sent.duplicate_pages.value_or(duplicate_) == duplicate_) {
    return ok();
  }
  return Error{.code = Errc::Environment,
               .message = fmt::format("this is not the stream that QEMU has sent: it has {} normal "
                                      "and {} duplicate pages, QEMU counts {} and {}",
                                      normal_, duplicate_, sent.normal_pages.value_or(0),
                                      sent.duplicate_pages.value_or(0)),
               .hint =
                   "somebody else may have connected in its place; try again over a unix "
                   "socket monitor"};
}

Status PassMeter::on_page(const Page& page) {
  // Blocks of one list lie in its order in memory too.
  bool goes_back = std::tie(page.block, page.block_offset) <= std::tie(block_, block_offset_);
  bool may_begin = rounds_ && passes_.size() < kMostPasses;
  if (passes_.empty() || (may_begin && goes_back)) begin_pass();
  block_ = page.block;
  block_offset_ = page.block_offset;
  ++passes_.back().pages;
  passes_.back().bytes += page.payload_offset - page.offset + page.payload.size();
  return ok();
}

void PassMeter::begin_pass() {
  auto now = Clock::now();
  if (!passes_.empty()) passes_.back().seconds = seconds_between(begun_, now);
  begun_ = now;
  passes_.emplace_back();
}

std::vector<CapturePass> PassMeter::passes() const {
  auto passes = passes_;
  if (!passes.empty()) passes.back().seconds = seconds_between(begun_, Clock::now());
  return passes;
}

Status PlacesCheck::on_configuration(const Configuration& configuration) {
  if (!lists_mapped_ram(configuration)) return ok();
  return Error{
      .code = Errc::Unsupported,
      .message = "a mapped-ram stream must be read by position, which this output cannot be",
      .hint = "write plain (-c none), .zst or .gz, neither encrypted nor by --filter"};
}

std::string current_time() {
  auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

CaptureRecorder::CaptureRecorder(CaptureMode mode, const CaptureOptions& options,
                                 CaptureObserver* observer)
    : options_(options),
      time_(current_time()),
      passes_(mode == CaptureMode::Live),
      visitors_{&passes_, &tally_, options.index ? &builder_ : nullptr,
                options.by_position ? nullptr : &places_},
      tap_(digest_mode(options), progress_to(observer), &visitors_) {}

Status CaptureRecorder::finish() {
  auto whole = tap_.finish();
  finished_passes_ = passes_.passes();
  return whole;
}

void CaptureRecorder::give_index(CaptureCircumstances how, std::string domain_xml) {
  if (!options_.index) return;
  StateIndex index =
      builder_.finish(tap_.counts().stream_bytes, tap_.parser().stream_length(), true);
  how.vmstream_version = version();
  index.facts.sha256 = tap_.sha256();
  for (const CapturePass& pass : finished_passes_) {
    index.facts.passes.push_back({pass.pages, pass.bytes, how.time.empty() ? 0 : pass.seconds});
  }
  index.facts.capture = std::move(how);
  if (!domain_xml.empty()) index.domain_xml = std::move(domain_xml);
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
