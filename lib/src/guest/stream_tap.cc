// SPDX-License-Identifier: MIT
#include "guest/stream_tap.h"

#include <vmstream/digest.h>
#include "pipeline/serial_lane.h"

namespace vmstream {
namespace {

constexpr auto kReportInterval = std::chrono::milliseconds(100);

}  // namespace

// SHA-256 runs at some hundred MB/s without hardware help: beside the stream it costs it nothing as
// long as a core is free.
class StreamTap::Digest {
 public:
  explicit Digest(bool beside) {
    if (beside) lane_.emplace([this](std::span<const std::byte> bytes) { hash_.update(bytes); });
  }
  void update(std::span<const std::byte> bytes) {
    if (lane_) return lane_->push(bytes);
    hash_.update(bytes);
  }
  std::string finish() {
    if (lane_) lane_->finish();
    return hash_.finish();
  }

 private:
  Sha256 hash_;
  std::optional<SerialLane> lane_;  // last: its thread uses hash_
};

StreamTap::StreamTap(DigestMode digest, OnProgress on_progress, StreamVisitor* also)
    : statistics_({}, also), on_progress_(std::move(on_progress)) {
  if (digest != DigestMode::None) {
    digest_ = std::make_unique<Digest>(digest == DigestMode::Beside);
  }
}
StreamTap::~StreamTap() = default;

Status StreamTap::on_bytes(std::span<const std::byte> bytes) {
  if (digest_) digest_->update(bytes);
  if (auto parsed = statistics_.on_bytes(bytes); !parsed) return parsed;
  if (Clock::now() >= next_report_) report();
  return ok();
}

void StreamTap::report() {
  next_report_ = Clock::now() + kReportInterval;
  if (on_progress_) on_progress_(statistics_.counts());
}

Status StreamTap::finish() {
  if (digest_) sha256_ = digest_->finish();
  auto complete = statistics_.finish();
  report();
  return complete;
}

}  // namespace vmstream
