// SPDX-License-Identifier: MIT
// The digest of what is written, without reading it again.
#pragma once

#include <memory>
#include <string>

#include <vmstream/byte_sink.h>

namespace vmstream {

/// Hands everything on, and computes the SHA-256 of it beside, on a thread of its own.
class DigestingSink final : public ByteSink {
 public:
  /// `next` is borrowed. With 1 of `threads` the digest is computed by the thread that writes.
  DigestingSink(ByteSink& next, size_t threads);
  ~DigestingSink() override;

  Status write(std::span<const std::byte> bytes) override;
  Status finish() override;
  std::span<std::byte> lend() override;
  Status commit(size_t count) override;

  /// After finish(); empty before.
  const std::string& sha256() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
