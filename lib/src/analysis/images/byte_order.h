// SPDX-License-Identifier: MIT
// Numbers of an image, in the guest's byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace vmstream {

/// Appends to bytes of its own.
class OrderedBytes {
 public:
  explicit OrderedBytes(bool is_big = false) : is_big_(is_big) {}

  OrderedBytes& number(uint64_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) {
      size_t shift = 8 * (is_big_ ? width - 1 - i : i);
      bytes_.push_back(static_cast<std::byte>(value >> shift));
    }
    return *this;
  }
  OrderedBytes& u16(uint64_t value) { return number(value, 2); }
  OrderedBytes& u32(uint64_t value) { return number(value, 4); }
  OrderedBytes& u64(uint64_t value) { return number(value, 8); }
  /// Zeros up to `offset`.
  OrderedBytes& pad_to(size_t offset) {
    if (bytes_.size() < offset) bytes_.resize(offset);
    return *this;
  }
  /// `width` bytes, the rest zero.
  OrderedBytes& text(std::string_view text, size_t width) {
    size_t end = bytes_.size() + width;
    for (char letter : text.substr(0, width)) bytes_.push_back(static_cast<std::byte>(letter));
    return pad_to(end);
  }

  size_t size() const { return bytes_.size(); }
  std::vector<std::byte> take() { return std::move(bytes_); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  bool is_big_;
  std::vector<std::byte> bytes_;
};

}  // namespace vmstream
