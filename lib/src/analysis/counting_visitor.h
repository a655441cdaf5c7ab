// SPDX-License-Identifier: MIT
// Counts on the way to another visitor, for progress.
#pragma once

#include <vmstream/stream_statistics.h>
#include <vmstream/visitor.h>

namespace vmstream::analysis {

/// Passes every event on unchanged. `next` and `counts` are borrowed.
class CountingVisitor : public StreamVisitor {
 public:
  CountingVisitor(StreamVisitor& next, StreamCounts& counts) : next_(next), counts_(counts) {}

  Status on_header(const StreamHeader& header) override { return next_.on_header(header); }
  Status on_configuration(const Configuration& configuration) override {
    return next_.on_configuration(configuration);
  }
  Status on_section(const SectionHeader& header) override {
    if (header.type == SectionType::Full) ++counts_.device_sections;
    return next_.on_section(header);
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    counts_.guest_bytes = list.total_bytes;
    return next_.on_ram_blocks(list);
  }
  Status on_page(const Page& page) override {
    if (page.kind == PageKind::Data) page_size_ = page.size;
    ++counts_.pages;
    if (page.kind == PageKind::Zero) ++counts_.zero_pages;
    counts_.page_bytes += page_size_;
    return next_.on_page(page);
  }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    return next_.on_ram_mark(mark, offset);
  }
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override {
    return next_.on_body(offset, bytes);
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    return next_.on_section_end(header, end);
  }
  Status on_command(const Command& command) override { return next_.on_command(command); }
  Status on_package_end(uint64_t offset) override { return next_.on_package_end(offset); }
  Status on_eof(uint64_t offset) override { return next_.on_eof(offset); }
  Status on_vmdesc(const VmdescRecord& vmdesc) override { return next_.on_vmdesc(vmdesc); }
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override {
    return next_.on_trailing(offset, bytes);
  }
  Status on_problem(const Problem& problem) override { return next_.on_problem(problem); }
  Status on_lost(uint64_t offset, std::span<const std::byte> bytes) override {
    return next_.on_lost(offset, bytes);
  }
  Status on_gap(const StreamGap& gap) override { return next_.on_gap(gap); }

 private:
  // Until a data page has come: the page of most targets.
  static constexpr uint64_t kUsualPageSize = 4096;

  StreamVisitor& next_;
  StreamCounts& counts_;
  uint64_t page_size_ = kUsualPageSize;
};

}  // namespace vmstream::analysis
