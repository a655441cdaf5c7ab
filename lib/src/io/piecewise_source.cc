// SPDX-License-Identifier: MIT
#include "io/piecewise_source.h"

#include <algorithm>
#include <utility>

namespace vmstream {

Result<size_t> PiecewiseSource::read(std::span<std::byte> into) {
  if (auto filled = refill(); !filled) return filled.error();
  size_t count = std::min(into.size(), piece_.size() - given_);
  std::copy_n(piece_.begin() + static_cast<ptrdiff_t>(given_), count, into.begin());
  given_ += count;
  return count;
}

Result<std::span<const std::byte>> PiecewiseSource::next() {
  if (auto filled = refill(); !filled) return filled.error();
  return std::span<const std::byte>(piece_).subspan(std::exchange(given_, piece_.size()));
}

Status PiecewiseSource::refill() {
  while (!fault_ && given_ == piece_.size() && !all_made()) {
    piece_offset_ += piece_.size();
    piece_.clear();
    given_ = 0;
    if (auto made = make_piece(); !made) fault_ = made.error();
  }
  return fault_ ? Status(*fault_) : ok();
}

}  // namespace vmstream
