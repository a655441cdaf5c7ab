// SPDX-License-Identifier: MIT
// Which numbers have come: pages of a block, packets of a guest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

namespace vmstream::analysis {

/// A bit a number, in chunks of 1 KiB that are made when one of their numbers comes.
class NumberSet {
 public:
  static constexpr uint64_t kChunkNumbers = 8192;
  static constexpr uint64_t kChunkBytes = kChunkNumbers / 8 + 64;  // with its node

  /// False where it was in.
  bool insert(uint64_t number);
  uint64_t size() const { return size_; }
  /// Of the numbers from 0 on, the first that is not in.
  uint64_t first_missing() const;
  /// 0 for an empty set; else one more than the highest.
  uint64_t end() const { return end_; }
  uint64_t bytes() const { return chunks_.size() * kChunkBytes; }

 private:
  static constexpr uint64_t kWordBits = 64;
  using Chunk = std::array<uint64_t, kChunkNumbers / kWordBits>;

  std::map<uint64_t, Chunk> chunks_;  // by number / kChunkNumbers
  Chunk* last_ = nullptr;             // numbers come in runs
  uint64_t last_key_ = 0;
  uint64_t size_ = 0;
  uint64_t end_ = 0;
};

}  // namespace vmstream::analysis
