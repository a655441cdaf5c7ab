// SPDX-License-Identifier: MIT
// Counts events, for progress and summaries.
#pragma once

#include <vmstream/stream_statistics.h>
#include "format/ram/target_page.h"

namespace vmstream {

/// Keeps `counts` up to date with what it is shown, but for their stream_bytes: whoever feeds the
/// parser knows those.
class StreamCounter : public StreamVisitor {
 public:
  StreamCounts counts;

  Status on_ram_blocks(const RamBlockList& list) override {
    counts.guest_bytes = list.total_bytes;
    return ok();
  }
  // The page's size is known at the first data page; all have the same.
  Status on_page(const Page& page) override {
    if (page.kind == PageKind::Data) page_bytes_ = page.size;
    ++counts.pages;
    counts.zero_pages += page.kind == PageKind::Zero ? 1 : 0;
    counts.page_bytes = counts.pages * page_bytes_;
    return ok();
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd&) override {
    counts.device_sections += header.type == SectionType::Full ? 1 : 0;
    return ok();
  }

 private:
  uint64_t page_bytes_ = kUsualPageBytes;
};

}  // namespace vmstream
