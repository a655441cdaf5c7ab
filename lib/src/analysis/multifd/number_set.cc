// SPDX-License-Identifier: MIT
#include "analysis/multifd/number_set.h"

#include <algorithm>
#include <bit>

namespace vmstream::analysis {

bool NumberSet::insert(uint64_t number) {
  uint64_t key = number / kChunkNumbers;
  if (last_ == nullptr || key != last_key_) {
    last_ = &chunks_[key];
    last_key_ = key;
  }
  uint64_t& word = (*last_)[static_cast<size_t>(number % kChunkNumbers / kWordBits)];
  uint64_t bit = uint64_t{1} << (number % kWordBits);
  if ((word & bit) != 0) return false;
  word |= bit;
  ++size_;
  end_ = std::max(end_, number + 1);
  return true;
}

uint64_t NumberSet::first_missing() const {
  uint64_t expected = 0;  // the chunk's key
  for (const auto& [key, chunk] : chunks_) {
    if (key != expected) break;
    auto open = std::ranges::find_if(chunk, [](uint64_t word) { return ~word != 0; });
    if (open != chunk.end()) {
      auto place = static_cast<uint64_t>(open - chunk.begin());
      return key * kChunkNumbers + place * kWordBits +
             static_cast<uint64_t>(std::countr_one(*open));
    }
    ++expected;
  }
  return expected * kChunkNumbers;
}

}  // namespace vmstream::analysis
