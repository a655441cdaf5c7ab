// SPDX-License-Identifier: MIT
// All bytes of a source, for tests.
#pragma once

#include <vector>

#include <vmstream/byte_source.h>

namespace testing {

/// Reads to the end or the first error, at most `piece` bytes at once.
inline vmstream::Result<std::vector<std::byte>> read_all(vmstream::ByteSource& source,
                                                         size_t piece) {
  std::vector<std::byte> all;
  std::vector<std::byte> buffer(piece);
  for (;;) {
    auto count = source.read(buffer);
    if (!count) return count.error();
    if (*count == 0) return all;
    all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*count));
  }
}

}  // namespace testing
