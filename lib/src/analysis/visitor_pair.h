// SPDX-License-Identifier: MIT
// One parse, two visitors.
#pragma once

#include <vmstream/visitor.h>

namespace vmstream::analysis {

/// Shows every event to `first`, then to `second` (both borrowed). The first error ends it.
class VisitorPair final : public StreamVisitor {
 public:
  VisitorPair(StreamVisitor& first, StreamVisitor& second) : first_(first), second_(second) {}

  Status on_header(const StreamHeader& header) override {
    return both(&StreamVisitor::on_header, header);
  }
  Status on_configuration(const Configuration& configuration) override {
    return both(&StreamVisitor::on_configuration, configuration);
  }
  Status on_section(const SectionHeader& header) override {
    return both(&StreamVisitor::on_section, header);
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    return both(&StreamVisitor::on_ram_blocks, list);
  }
  Status on_page(const Page& page) override { return both(&StreamVisitor::on_page, page); }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    return both(&StreamVisitor::on_ram_mark, mark, offset);
  }
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override {
    return both(&StreamVisitor::on_body, offset, bytes);
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    return both(&StreamVisitor::on_section_end, header, end);
  }
  Status on_command(const Command& command) override {
    return both(&StreamVisitor::on_command, command);
  }
  Status on_package_end(uint64_t offset) override {
    return both(&StreamVisitor::on_package_end, offset);
  }
  Status on_eof(uint64_t offset) override { return both(&StreamVisitor::on_eof, offset); }
  Status on_vmdesc(const VmdescRecord& vmdesc) override {
    return both(&StreamVisitor::on_vmdesc, vmdesc);
  }
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override {
    return both(&StreamVisitor::on_trailing, offset, bytes);
  }
  Status on_problem(const Problem& problem) override {
    return both(&StreamVisitor::on_problem, problem);
  }
  Status on_lost(uint64_t offset, std::span<const std::byte> bytes) override {
    return both(&StreamVisitor::on_lost, offset, bytes);
  }
  Status on_gap(const StreamGap& gap) override { return both(&StreamVisitor::on_gap, gap); }

 private:
  template <typename... Parameters, typename... Arguments>
  Status both(Status (StreamVisitor::*event)(Parameters...), const Arguments&... arguments) {
    auto seen = (first_.*event)(arguments...);
    return seen ? (second_.*event)(arguments...) : seen;
  }

  StreamVisitor& first_;
  StreamVisitor& second_;
};

}  // namespace vmstream::analysis
