// SPDX-License-Identifier: MIT
#include "analysis/ram/pass_finder.h"

namespace vmstream::analysis {

void PassFinder::add(const PagePlace& place, const Page& page, bool first_time, uint64_t bytes) {
  if (page.kind == PageKind::Compressed) threads_ = true;
  if (begins_pass(place, page, first_time)) {
    left_out_ = passes_.size() == kMostPasses;
    if (!left_out_) passes_.emplace_back();
    highest_ = place;
    recent_ = 0;
  }
  note(place, page);
  ++passes_.back().pages;
  passes_.back().bytes += bytes;
}

void PassFinder::enter_postcopy() {
  if (!postcopy_ && !passes_.empty()) passes_.emplace_back();
  postcopy_ = true;
}

bool PassFinder::begins_pass(const PagePlace& place, const Page& page, bool first_time) {
  if (passes_.empty()) return true;
  if (postcopy_ || place > last_) return false;
  if (is_late_thread(place, page)) return false;
  // The first pass has all pages, none of which is left for the next: whoever sends this one does
  // so out of turn.
  return !first_time || passes_.size() > 1;
}

bool PassFinder::is_late_thread(const PagePlace& place, const Page& page) const {
  if (!threads_ || place.block != highest_.block || place.offset > highest_.offset) return false;
  uint64_t behind = (highest_.offset - place.offset) / page.size;
  return behind < kThreadPages && ((recent_ >> behind) & 1) == 0;
}

void PassFinder::note(const PagePlace& place, const Page& page) {
  last_ = place;
  if (place.block != highest_.block || recent_ == 0) {
    highest_ = place;
    recent_ = 1;
  } else if (place.offset > highest_.offset) {
    uint64_t ahead = (place.offset - highest_.offset) / page.size;
    recent_ = ahead < kThreadPages ? (recent_ << ahead) | 1 : 1;
    highest_ = place;
  } else if (uint64_t behind = (highest_.offset - place.offset) / page.size;
             behind < kThreadPages) {
    recent_ |= uint64_t{1} << behind;
  }
}

}  // namespace vmstream::analysis
