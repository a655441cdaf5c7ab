// SPDX-License-Identifier: MIT
// Tells memory that holds nothing.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace vmstream {

/// Whether every byte is 0, at the speed of memcmp.
inline bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace vmstream
