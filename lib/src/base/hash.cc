// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <xxhash.h>

namespace vmstream {

uint64_t xxh64(std::span<const std::byte> bytes) {
  return ::XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace vmstream
