// SPDX-License-Identifier: MIT
#include "analysis/physical/range_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <vmstream/text.h>

namespace vmstream {
namespace {

// The part of a range between two addresses within it.
PhysicalRange part_of(const PhysicalRange& range, uint64_t begin, uint64_t end) {
  PhysicalRange part = range;
  part.offset += begin - range.address;
  part.address = begin;
  part.length = end - begin;
  return part;
}

bool goes_on(const PhysicalRange& range, const PhysicalRange& next) {
  return range.end() == next.address && range.offset + range.length == next.offset &&
         range.block == next.block && range.kind == next.kind && range.proof == next.proof;
}

auto first_behind(std::vector<PhysicalRange>& ranges, uint64_t address) {
  return std::ranges::partition_point(
      ranges, [address](const PhysicalRange& range) { return range.end() <= address; });
}

}  // namespace

Status RangeLayers::put(PhysicalRange range) {
  if (range.length == 0) return ok();
  if (range.length > UINT64_MAX - range.address) {
    return Error{Errc::Usage, fmt::format("block '{}' at {:#x} would reach past the last address",
                                          escape(range.block), range.address)};
  }
  cut(range.address, range.end());
  if (ranges_.size() >= kMostRanges) {
    return Error{Errc::Malformed,
                 fmt::format("the memory of this guest is in more than {} pieces", kMostRanges)};
  }
  ranges_.insert(first_behind(ranges_, range.address), std::move(range));
  return ok();
}

void RangeLayers::cut(uint64_t address, uint64_t end) {
  auto first = first_behind(ranges_, address);
  auto last = std::find_if(first, ranges_.end(),
                           [end](const PhysicalRange& range) { return range.address >= end; });
  if (first == last) return;
  std::vector<PhysicalRange> kept;
  if (first->address < address) kept.push_back(part_of(*first, first->address, address));
  const PhysicalRange& highest = *std::prev(last);
  if (highest.end() > end) kept.push_back(part_of(highest, end, highest.end()));
  auto place = ranges_.erase(first, last);
  ranges_.insert(place, kept.begin(), kept.end());
}

std::vector<PhysicalRange> RangeLayers::take() {
  std::vector<PhysicalRange> joined;
  for (PhysicalRange& range : ranges_) {
    if (!joined.empty() && goes_on(joined.back(), range)) {
      joined.back().length += range.length;
    } else {
      joined.push_back(std::move(range));
    }
  }
  ranges_.clear();
  return joined;
}

}  // namespace vmstream
