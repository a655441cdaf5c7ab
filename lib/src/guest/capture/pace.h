// SPDX-License-Identifier: MIT
// A limit of bytes a second.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <vmstream/cancellation.h>

namespace vmstream {

/// Says when the next slice of a stream may be taken. What was not taken in time is not made up
/// for: the rate is never exceeded for longer than a slice.
class Pace {
 public:
  explicit Pace(uint64_t bytes_per_second) : rate_(static_cast<double>(bytes_per_second)) {}

  /// The most to take at once: a twentieth of a second's worth.
  size_t slice() const { return static_cast<size_t>(std::max(1.0, rate_ / 20)); }
  Clock::duration delay() const { return std::max(next_ - Clock::now(), Clock::duration::zero()); }
  void took(size_t bytes) {
    std::chrono::duration<double> cost(static_cast<double>(bytes) / rate_);
    next_ = std::max(next_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(cost);
  }

 private:
  double rate_;
  Clock::time_point next_ = Clock::now();
};

}  // namespace vmstream
