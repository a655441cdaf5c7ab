// SPDX-License-Identifier: MIT
// The digest of what passes, at no cost to the thread that moves it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <vmstream/byte_sink.h>
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

/// Hands everything on, and computes the SHA-256 of it beside, on a thread of its own.
class DigestingSink final : public ByteSink {
 public:
  /// `next` is borrowed. With 1 of `threads` the digest is computed by the thread that writes.
  DigestingSink(ByteSink& next, size_t threads) : next_(next), digest_(threads != 1) {}

  Status write(std::span<const std::byte> bytes) override;
  Status finish() override;
  std::span<std::byte> lend() override;
  Status commit(size_t count) override;

  /// After finish(); empty before.
  const std::string& sha256() const { return sha256_; }

 private:
  ByteSink& next_;
  LaneDigest digest_;
  std::span<std::byte> lent_;
  std::string sha256_;
};

}  // namespace vmstream
