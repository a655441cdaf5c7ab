// SPDX-License-Identifier: MIT
// Ranges of addresses laid over each other: who is put last is seen.
#pragma once

#include <cstdint>
#include <vector>

#include <vmstream/physical_map.h>

namespace vmstream {

class RangeLayers {
 public:
  /// More come from no guest; a stream could ask for any number.
  static constexpr size_t kMostRanges = 1u << 16;

  /// Covers what is there. Errc::Malformed for too many ranges, Errc::Usage where it would reach
  /// past the end of the address space. Nothing happens for a length of 0.
  Status put(PhysicalRange range);
  /// Makes a hole.
  void cut(uint64_t address, uint64_t end);
  /// Sorted, apart; neighbours that go on in the same block are one.
  std::vector<PhysicalRange> take();

 private:
  std::vector<PhysicalRange> ranges_;  // sorted, apart
};

}  // namespace vmstream
