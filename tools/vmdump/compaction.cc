// SPDX-License-Identifier: MIT
#include "vmdump/compaction.h"

#include <vmstream/state_writer.h>

namespace vmdump {

using vmstream::CaptureOptions;
using vmstream::Result;
using vmstream::StateIndex;
using vmstream::Status;

namespace {

// What was kept, by position.
class ScratchSource final : public vmstream::RandomSource {
 public:
  explicit ScratchSource(const vmstream::OutputFile& file) : file_(file) {}
  uint64_t length() const override { return file_.bytes_written(); }
  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    return file_.read_at(offset, into);
  }

 private:
  const vmstream::OutputFile& file_;
};

}  // namespace

Result<std::unique_ptr<Compaction>> Compaction::open(const Options& options,
                                                     CaptureOptions& capture) {
  std::unique_ptr<Compaction> compaction(new Compaction(capture));
  auto scratch =
      vmstream::OutputFile::create(*options.output, vmstream::Overwrite::Replace, capture.limits);
  if (!scratch) return scratch.error();
  compaction->scratch_ = std::move(*scratch);
  capture.index = [kept = &compaction->index_](StateIndex index) { *kept = std::move(index); };
  capture.digest = false;  // of a stream that is not kept
  return compaction;
}

Status Compaction::rewrite(vmstream::StateWriter& writer, vmstream::CaptureObserver& observer,
                           vmstream::CaptureSummary& summary) {
  ScratchSource plain(*scratch_);
  auto circumstances = index_->facts.capture;
  auto domain_xml = index_->domain_xml;
  auto source = vmstream::make_compact_source(plain, std::move(*index_));
  if (!source) return source.error();
  if (capture_.index) {
    capture_.index = [give = capture_.index, &circumstances, &domain_xml](StateIndex index) {
      index.facts.capture = circumstances;
      index.domain_xml = domain_xml;
      give(std::move(index));
    };
  }
  auto rewritten = vmstream::capture_stream(**source, writer.entrance(), capture_, &observer);
  if (!rewritten) return rewritten.error();
  summary.counts = rewritten->counts;
  summary.sha256 = rewritten->sha256;
  summary.total_seconds += rewritten->total_seconds;
  return vmstream::ok();
}

}  // namespace vmdump
