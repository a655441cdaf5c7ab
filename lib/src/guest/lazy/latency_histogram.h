// SPDX-License-Identifier: MIT
// How long things took, in little memory.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vmstream {

/// Counts durations in buckets an eighth of their lower bound wide, from a microsecond up.
class LatencyHistogram {
 public:
  using Duration = std::chrono::duration<double>;

  void add(std::chrono::nanoseconds taken) {
    auto micros = static_cast<uint64_t>(std::max<int64_t>(taken.count(), 0)) / 1000;
    ++buckets_[std::min(bucket_of(micros), buckets_.size() - 1)];
    ++count_;
    worst_ = std::max(worst_, taken);
  }

  uint64_t count() const { return count_; }
  Duration worst() const { return worst_; }
  /// The time within which this share (0 .. 1) of all was done, to an eighth.
  Duration quantile(double share) const {
    auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted) return std::min<Duration>(std::chrono::microseconds(end_of(i)), worst_);
    }
    return worst_;
  }

 private:
  static constexpr unsigned kSteps = 3;  // bits behind the leading one that tell buckets apart

  static size_t bucket_of(uint64_t micros) {
    if (micros < (1u << kSteps)) return static_cast<size_t>(micros);
    auto shift = static_cast<unsigned>(std::bit_width(micros)) - 1 - kSteps;
    return static_cast<size_t>((uint64_t{shift} << kSteps) + (micros >> shift));
  }
  // The first microsecond behind the bucket.
  static uint64_t end_of(size_t bucket) {
    if (bucket < (1u << kSteps)) return bucket + 1;
    uint64_t shift = (bucket >> kSteps) - 1;
    return ((bucket & ((1u << kSteps) - 1)) + (1u << kSteps) + 1) << shift;
  }

  std::array<uint64_t, 256> buckets_{};
  uint64_t count_ = 0;
  std::chrono::nanoseconds worst_{0};
};

}  // namespace vmstream
