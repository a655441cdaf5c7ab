// SPDX-License-Identifier: MIT
// Where a sparse file has nothing, without reading it.
#pragma once

#include <cstdint>

#include "base/unique_fd.h"

namespace vmstream {

/// Asks the file system, and remembers its last answer. A hole that is read costs the kernel a page
/// of its cache for each page of zeros. Used by one thread at a time.
class HoleFinder {
 public:
  /// `fd` is borrowed for the call; its position is not touched. `length`: of the file.
  HoleFinder(int fd, uint64_t length);

  struct Stretch {
    bool is_hole = false;
    uint64_t length = 0;  ///< at least 1 before the end of the file
  };
  /// What begins at `offset`. Where the file system cannot tell, all is data.
  Stretch at(uint64_t offset);

 private:
  void look(uint64_t offset);

  UniqueFd fd_;  // of its own, so that seeking disturbs nobody
  uint64_t length_;
  // The last answer: a hole up to data_, then data up to end_.
  uint64_t begin_ = 0;
  uint64_t data_ = 0;
  uint64_t end_ = 0;
};

}  // namespace vmstream
