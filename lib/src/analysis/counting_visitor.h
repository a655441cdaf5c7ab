// SPDX-License-Identifier: MIT
// Counts on the way to another visitor, for progress.
#pragma once

#include <vmstream/stream_statistics.h>
#include "format/forwarding_visitor.h"

namespace vmstream::analysis {

/// Passes every event on unchanged. `next` and `counts` are borrowed.
class CountingVisitor : public ForwardingVisitor {
 public:
  CountingVisitor(StreamVisitor& next, StreamCounts& counts)
      : ForwardingVisitor(&next), counts_(counts) {}

  Status on_section(const SectionHeader& header) override {
    if (header.type == SectionType::Full) ++counts_.device_sections;
    return ForwardingVisitor::on_section(header);
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    counts_.guest_bytes = list.total_bytes;
    return ForwardingVisitor::on_ram_blocks(list);
  }
  Status on_page(const Page& page) override {
    if (page.kind == PageKind::Data) page_size_ = page.size;
    ++counts_.pages;
    if (page.kind == PageKind::Zero) ++counts_.zero_pages;
    counts_.page_bytes += page_size_;
    return ForwardingVisitor::on_page(page);
  }

 private:
  // Until a data page has come: the page of most targets.
  static constexpr uint64_t kUsualPageSize = 4096;

  StreamCounts& counts_;
  uint64_t page_size_ = kUsualPageSize;
};

}  // namespace vmstream::analysis
