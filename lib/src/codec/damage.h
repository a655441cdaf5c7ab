// SPDX-License-Identifier: MIT
// Telling bytes of ours that are damaged from those that are something else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vmstream {

/// Bytes that differ in so few bits from what they would be are that, damaged: by chance this does
/// not happen.
inline constexpr int kDamageBits = 2;

/// Bits in which the front of `found` differs from all of `wanted`, which is not longer.
inline int count_wrong_bits(std::span<const std::byte> found, std::span<const std::byte> wanted) {
  int bits = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    bits += std::popcount(std::to_integer<uint8_t>(found[i] ^ wanted[i]));
  }
  return bits;
}

}  // namespace vmstream
