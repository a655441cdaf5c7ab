// SPDX-License-Identifier: MIT
// Numbers as gzip and zstd write them. The caller has checked that they are there.
#pragma once

#include <cstddef>
#include <cstdint>
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

}  // namespace vmstream
