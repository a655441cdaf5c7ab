// SPDX-License-Identifier: MIT
// One parse, several visitors.
#pragma once

#include <initializer_list>
#include <vector>

#include <vmstream/visitor.h>

namespace vmstream {

/// Shows every event to each visitor of a list, in its order. The first error ends it.
class VisitorList : public StreamVisitor {
 public:
  /// The visitors are borrowed; those that are null are left out.
  VisitorList(std::initializer_list<StreamVisitor*> visitors) {
    for (StreamVisitor* visitor : visitors) add(visitor);
  }
  void add(StreamVisitor* visitor) {
    if (visitor != nullptr) visitors_.push_back(visitor);
  }

  Status on_header(const StreamHeader& header) override {
    return show(&StreamVisitor::on_header, header);
  }
  Status on_configuration(const Configuration& configuration) override {
    return show(&StreamVisitor::on_configuration, configuration);
  }
  Status on_section(const SectionHeader& header) override {
    return show(&StreamVisitor::on_section, header);
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    return show(&StreamVisitor::on_ram_blocks, list);
  }
  Status on_page(const Page& page) override { return show(&StreamVisitor::on_page, page); }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    return show(&StreamVisitor::on_ram_mark, mark, offset);
  }
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override {
    return show(&StreamVisitor::on_body, offset, bytes);
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    return show(&StreamVisitor::on_section_end, header, end);
  }
  Status on_command(const Command& command) override {
    return show(&StreamVisitor::on_command, command);
  }
  Status on_package_end(uint64_t offset) override {
    return show(&StreamVisitor::on_package_end, offset);
  }
  Status on_eof(uint64_t offset) override { return show(&StreamVisitor::on_eof, offset); }
  Status on_vmdesc(const VmdescRecord& vmdesc) override {
    return show(&StreamVisitor::on_vmdesc, vmdesc);
  }
  Status on_cut_vmdesc(const VmdescRecord& vmdesc) override {
    return show(&StreamVisitor::on_cut_vmdesc, vmdesc);
  }
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override {
    return show(&StreamVisitor::on_trailing, offset, bytes);
  }
  Status on_problem(const Problem& problem) override {
    return show(&StreamVisitor::on_problem, problem);
  }
  Status on_lost(uint64_t offset, std::span<const std::byte> bytes) override {
    return show(&StreamVisitor::on_lost, offset, bytes);
  }
  Status on_gap(const StreamGap& gap) override { return show(&StreamVisitor::on_gap, gap); }

 private:
  template <typename... Parameters, typename... Arguments>
  Status show(Status (StreamVisitor::*event)(Parameters...), const Arguments&... arguments) {
    for (StreamVisitor* visitor : visitors_) {
      if (auto seen = (visitor->*event)(arguments...); !seen) return seen;
    }
    return ok();
  }

  std::vector<StreamVisitor*> visitors_;
};

}  // namespace vmstream
