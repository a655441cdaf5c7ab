// SPDX-License-Identifier: MIT
#include "guest/migration/progress_tap.h"

#include "pipeline/digesting_sink.h"

namespace vmstream {
namespace {

constexpr auto kReportInterval = std::chrono::milliseconds(100);

}  // namespace

ProgressTap::ProgressTap(DigestMode digest, OnProgress on_progress, StreamVisitor* also)
    : statistics_({}, also), on_progress_(std::move(on_progress)) {
  if (digest != DigestMode::None) {
    digest_ = std::make_unique<LaneDigest>(digest == DigestMode::Beside);
  }
}
ProgressTap::~ProgressTap() = default;

Status ProgressTap::on_bytes(std::span<const std::byte> bytes) {
  if (digest_) digest_->update(bytes);
  if (auto parsed = statistics_.on_bytes(bytes); !parsed) return parsed;
  if (Clock::now() >= next_report_) report();
  return ok();
}

void ProgressTap::report() {
  next_report_ = Clock::now() + kReportInterval;
  if (on_progress_) on_progress_(statistics_.counts());
}

Status ProgressTap::finish() {
  if (digest_) sha256_ = digest_->finish();
  auto complete = statistics_.finish();
  report();
  return complete;
}

}  // namespace vmstream
