// SPDX-License-Identifier: MIT
// Memory for one block, kept and used again.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace vmstream {

/// Bytes with a capacity, like a vector, but growth leaves new bytes uninitialised: blocks are
/// overwritten at once, and clearing each would cost as much as copying it. Moved, never copied.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t capacity) { reserve(capacity); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  std::byte* data() { return bytes_.get(); }
  std::span<const std::byte> view() const { return {bytes_.get(), size_}; }

  /// The memory behind the bytes held: fill the front of it, then call extend().
  std::span<std::byte> room() { return {bytes_.get() + size_, capacity_ - size_}; }
  void extend(size_t count) { size_ += count; }

  void clear() { size_ = 0; }
  /// At least this capacity; what is held stays.
  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }
  /// Takes as much of `bytes` as there is room for and says how much that was.
  size_t append(std::span<const std::byte> bytes) {
    size_t count = bytes.size() < capacity_ - size_ ? bytes.size() : capacity_ - size_;
    if (count > 0) std::memcpy(bytes_.get() + size_, bytes.data(), count);
    size_ += count;
    return count;
  }
  /// Drops the first `count` bytes; the rest moves to the front.
  void drop_front(size_t count) {
    size_ -= count;
    if (count > 0 && size_ > 0) std::memmove(bytes_.get(), bytes_.get() + count, size_);
  }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::unique_ptr<std::byte[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace vmstream
