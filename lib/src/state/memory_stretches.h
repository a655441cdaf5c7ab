// SPDX-License-Identifier: MIT
// Where the memory stands in a stream, for who gives it another order.
#pragma once

#include <cstdint>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// PARTs and ENDs of ram, one behind the other, with nothing else between them.
struct MemoryStretch {
  uint64_t offset = 0;
  uint64_t end = 0;
  bool has_end = false;  ///< the last of them is an END
};

/// Finds the stretches of a stream, however many slices its memory came in: they are told apart by
/// what is no memory between them. Memory: 24 bytes a stretch, of which there are 2^21 at most.
class MemoryStretches {
 public:
  /// By the records of `index`; where it has none, by reading `plain` from front to end.
  /// Errc::Unsupported for more stretches than are kept.
  static Result<MemoryStretches> find(RandomSource& plain, const StateIndex& index);

  const std::vector<MemoryStretch>& all() const { return stretches_; }
  /// What the framing of its sections is like: that of the first one.
  const IndexedRecord& section() const { return section_; }
  /// Whether pages stand behind the list of blocks, in its own section.
  bool has_pages_in_start() const { return pages_in_start_; }

  /// The next record; what is no memory is not looked at.
  Status add(const IndexedRecord& record);

 private:
  std::vector<MemoryStretch> stretches_;
  IndexedRecord section_;
  bool pages_in_start_ = false;
};

}  // namespace vmstream
