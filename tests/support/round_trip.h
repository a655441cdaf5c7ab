// SPDX-License-Identifier: MIT
// Writes again what a parser tells, to be compared with the bytes that it read.
#pragma once

#include <vector>

#include <vmstream/visitor.h>
#include <vmstream/writer.h>

namespace testing {

class RoundTrip final : public vmstream::StreamVisitor {
 public:
  std::vector<std::byte> bytes;
  bool may_differ = false;  ///< the parser has told of a record that no sender writes like this

  vmstream::Status on_header(const vmstream::StreamHeader& header) override;
  vmstream::Status on_configuration(const vmstream::Configuration& configuration) override;
  vmstream::Status on_section(const vmstream::SectionHeader& header) override;
  vmstream::Status on_ram_blocks(const vmstream::RamBlockList& list) override;
  vmstream::Status on_page(const vmstream::Page& page) override;
  vmstream::Status on_ram_mark(vmstream::RamMark mark, uint64_t offset) override;
  vmstream::Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  vmstream::Status on_section_end(const vmstream::SectionHeader& header,
                                  const vmstream::SectionEnd& end) override;
  vmstream::Status on_command(const vmstream::Command& command) override;
  vmstream::Status on_eof(uint64_t offset) override;
  vmstream::Status on_vmdesc(const vmstream::VmdescRecord& record) override;
  vmstream::Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override;
  vmstream::Status on_problem(const vmstream::Problem& problem) override;

 private:
  std::unique_ptr<vmstream::ByteSink> sink_ = vmstream::make_memory_sink(bytes);
  vmstream::StreamWriter writer_{*sink_};
  bool counted_records_ = false;  // of stream versions 1 and 2
  std::vector<std::byte> record_;
};

}  // namespace testing
