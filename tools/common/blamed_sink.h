// SPDX-License-Identifier: MIT
// Whose fault it was: an error that came out of moving a stream may be the input's or the output's.
#pragma once

#include <vmstream/byte_sink.h>

namespace vmtools {

/// Hands everything on to `next` (borrowed) and remembers whether that failed.
class BlamedSink final : public vmstream::ByteSink {
 public:
  explicit BlamedSink(vmstream::ByteSink& next) : next_(next) {}

  vmstream::Status write(std::span<const std::byte> bytes) override {
    return note(next_.write(bytes));
  }
  vmstream::Status finish() override { return note(next_.finish()); }
  std::span<std::byte> lend() override { return next_.lend(); }
  vmstream::Status commit(size_t count) override { return note(next_.commit(count)); }

  bool has_failed() const { return failed_; }

 private:
  vmstream::Status note(vmstream::Status status) {
    if (!status) failed_ = true;
    return status;
  }

  vmstream::ByteSink& next_;
  bool failed_ = false;
};

}  // namespace vmtools
