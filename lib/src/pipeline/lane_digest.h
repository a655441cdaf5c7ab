// SPDX-License-Identifier: MIT
// A digest of what passes, at no cost to the thread that moves it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <vmstream/digest.h>
#include "pipeline/serial_lane.h"

namespace vmstream {

/// SHA-256 runs at some hundred MB/s without hardware help: beside the stream it costs it nothing
/// as long as a core is free.
class LaneDigest {
 public:
  /// Not `beside`: on the thread that calls update().
  explicit LaneDigest(bool beside) {
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

}  // namespace vmstream
