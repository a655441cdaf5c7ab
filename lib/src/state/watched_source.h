// SPDX-License-Identifier: MIT
// Whether somebody else has read all of a source.
#pragma once

#include <vmstream/byte_source.h>

namespace vmstream {

/// Hands on the bytes of a borrowed source, and sees its end.
class WatchedSource final : public ByteSource {
 public:
  explicit WatchedSource(ByteSource& source) : source_(source) {}

  Result<size_t> read(std::span<std::byte> into) override {
    auto count = source_.read(into);
    if (count && *count == 0 && !into.empty()) ended_ = true;
    return count;
  }
  Result<std::span<const std::byte>> next() override {
    auto bytes = source_.next();
    if (bytes && bytes->empty()) ended_ = true;
    return bytes;
  }

  /// Errc::Usage before the end has been seen.
  Status require_end() const {
    if (ended_) return ok();
    return Error{Errc::Usage, "the stream was not read to its end"};
  }

 private:
  ByteSource& source_;
  bool ended_ = false;
};

}  // namespace vmstream
