// SPDX-License-Identifier: MIT
// What is learnt of a stream while it passes: counts, completeness, digest; and who is told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <vmstream/byte_sink.h>
#include <vmstream/stream_statistics.h>

namespace vmstream {

class LaneDigest;

/// How the digest of a stream is computed.
enum class DigestMode { None, Inline, Beside };

/// A StatisticsTap that reports progress several times a second and computes the digest.
class ProgressTap final : public ByteTap {
 public:
  using OnProgress = std::function<void(const StreamCounts&)>;
  /// `also` (borrowed; may be null) is shown everything the parser finds.
  ProgressTap(DigestMode digest, OnProgress on_progress, StreamVisitor* also = nullptr);
  ~ProgressTap() override;

  Status on_bytes(std::span<const std::byte> bytes) override;
  /// Reports progress although nothing moves.
  void report();
  /// The stream has ended: complete, or Errc::Truncated. Ends the digest too.
  Status finish();

  const StreamCounts& counts() const { return statistics_.counts(); }
  const StreamParser& parser() const { return statistics_.parser(); }
  const std::string& machine() const { return statistics_.machine(); }
  const auto& uuid() const { return statistics_.uuid(); }
  bool starts_guest() const { return statistics_.starts_guest(); }
  /// Known after finish(); empty unless asked for.
  const std::string& sha256() const { return sha256_; }

 private:
  StatisticsTap statistics_;
  OnProgress on_progress_;
  Clock::time_point next_report_ = Clock::now();
  std::unique_ptr<LaneDigest> digest_;
  std::string sha256_;
};

}  // namespace vmstream
