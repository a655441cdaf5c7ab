// SPDX-License-Identifier: MIT
// Saved guests, and sinks and sources that misbehave, for the tests against a real QEMU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <vmstream/capture.h>
#include "support/qemu.h"

namespace testing {

inline vmstream::WaitLimits within(std::chrono::milliseconds time) {
  return {.deadline = vmstream::Clock::now() + time};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Takes everything and calls back once, when `bytes_before` bytes have come; what that returns is
/// what the write returns.
class TrippingSink final : public vmstream::ByteSink {
 public:
  TrippingSink(size_t bytes_before, std::function<vmstream::Status()> trip)
      : bytes_before_(bytes_before), trip_(std::move(trip)) {}

  vmstream::Status write(std::span<const std::byte> bytes) override {
    taken_ += bytes.size();
    if (taken_ < bytes_before_ || !trip_) return vmstream::ok();
    return std::exchange(trip_, nullptr)();
  }
  vmstream::Status finish() override { return vmstream::ok(); }

 private:
  size_t bytes_before_;
  std::function<vmstream::Status()> trip_;
  size_t taken_ = 0;
};

/// A plain stream and the last tick that its guest had printed.
struct SavedGuest {
  std::vector<std::byte> bytes;
  uint64_t tick = 0;
};

/// Saved by GuestCapture, which stops the guest first: the stream says "paused". Made once.
const SavedGuest& guest_saved_stopped();
/// Saved by a bare `migrate` of the running guest: the stream says "running". Made once.
const SavedGuest& guest_saved_running();

}  // namespace testing
