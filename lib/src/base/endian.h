// SPDX-License-Identifier: MIT
// Numbers in bytes at hand: little endian as gzip and zstd write them, big endian as QEMU does. The
// caller has checked that they are there.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace vmstream {

inline uint16_t read_le16(std::span<const std::byte> bytes, size_t at) {
  return static_cast<uint16_t>(std::to_integer<unsigned>(bytes[at]) |
                               std::to_integer<unsigned>(bytes[at + 1]) << 8);
}

inline uint32_t read_le32(std::span<const std::byte> bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

inline uint64_t read_le64(std::span<const std::byte> bytes, size_t at) {
  return read_le32(bytes, at) | uint64_t{read_le32(bytes, at + 4)} << 32;
}

inline void write_le32(std::span<std::byte> bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
}

/// Puts the low `width` bytes of `value` behind what is there.
inline void append_le(std::vector<std::byte>& bytes, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
}

/// The big-endian number at `at`.
template <std::unsigned_integral T>
T load_be(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) {
    return value;
  } else if constexpr (sizeof(T) == 8) {
    return __builtin_bswap64(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    static_assert(sizeof(T) == 2);
    return __builtin_bswap16(value);
  }
}

}  // namespace vmstream
