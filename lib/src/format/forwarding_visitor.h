// SPDX-License-Identifier: MIT
// A visitor that passes on what it sees.
#pragma once

#include <vmstream/visitor.h>

namespace vmstream {

/// Passes every event on to `next` (borrowed; may be null) unless a derived class does otherwise.
class ForwardingVisitor : public StreamVisitor {
 public:
  explicit ForwardingVisitor(StreamVisitor* next) : next_(next) {}

  Status on_header(const StreamHeader& header) override {
    return next_ ? next_->on_header(header) : ok();
  }
  Status on_configuration(const Configuration& configuration) override {
    return next_ ? next_->on_configuration(configuration) : ok();
  }
  Status on_section(const SectionHeader& header) override {
    return next_ ? next_->on_section(header) : ok();
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    return next_ ? next_->on_ram_blocks(list) : ok();
  }
  Status on_page(const Page& page) override { return next_ ? next_->on_page(page) : ok(); }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    return next_ ? next_->on_ram_mark(mark, offset) : ok();
  }
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override {
    return next_ ? next_->on_body(offset, bytes) : ok();
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    return next_ ? next_->on_section_end(header, end) : ok();
  }
  Status on_command(const Command& command) override {
    return next_ ? next_->on_command(command) : ok();
  }
  Status on_package_end(uint64_t offset) override {
    return next_ ? next_->on_package_end(offset) : ok();
  }
  Status on_eof(uint64_t offset) override { return next_ ? next_->on_eof(offset) : ok(); }
  Status on_vmdesc(const VmdescRecord& vmdesc) override {
    return next_ ? next_->on_vmdesc(vmdesc) : ok();
  }
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override {
    return next_ ? next_->on_trailing(offset, bytes) : ok();
  }
  Status on_problem(const Problem& problem) override {
    return next_ ? next_->on_problem(problem) : ok();
  }
  Status on_lost(uint64_t offset, std::span<const std::byte> bytes) override {
    return next_ ? next_->on_lost(offset, bytes) : ok();
  }
  Status on_gap(const StreamGap& gap) override { return next_ ? next_->on_gap(gap) : ok(); }

 private:
  StreamVisitor* next_;
};

}  // namespace vmstream
