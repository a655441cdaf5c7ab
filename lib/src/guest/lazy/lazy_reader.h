// SPDX-License-Identifier: MIT
// One of several readers of a file whose guest runs already.
#pragma once

#include <cstdint>
#include <string>

#include <vmstream/lazy_restore.h>
#include <vmstream/ram_image.h>
#include <vmstream/random_source.h>
#include <vmstream/state_file.h>

namespace vmstream {

/// The same file once more, with a position and a cache of its own. Used by one thread at a time.
struct LazyReader {
  StateFile file;
  RandomSource* stream;  ///< of the file, by position
  RamImage image;

  RandomSource& plain() const { return *stream; }
};

/// What should be known of pages that no record tells of by the file's index: the guest finds zeros
/// there. So does one whose index leaves pages out, which nobody else notices. `pages`: how many.
std::string absence_words(uint64_t pages);
uint64_t count_absent(const LazyReader& reader);

/// What a reader keeps of decoded blocks, at most.
struct LazyCache {
  /// For questions from all over the memory.
  static constexpr size_t kScattered = 16 * 1024 * 1024;
  /// For one who reads in the order of the file.
  static constexpr size_t kSequential = 2 * 1024 * 1024;
};

}  // namespace vmstream
