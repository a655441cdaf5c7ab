// SPDX-License-Identifier: MIT
// What a parser told, as text: one line an event. Streams and ways of feeding them are compared by
// it.
#pragma once

#include <string>
#include <vector>

#include <vmstream/parser.h>

namespace testing {

/// Body bytes that come in pieces are one line; so are trailing bytes.
class EventLog final : public vmstream::StreamVisitor {
 public:
  std::vector<std::string> lines;

  /// Whether a line contains `text`.
  bool has(std::string_view text) const;
  /// How many lines contain `text`.
  size_t count(std::string_view text) const;

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
  vmstream::Status on_package_end(uint64_t offset) override;
  vmstream::Status on_eof(uint64_t offset) override;
  vmstream::Status on_vmdesc(const vmstream::VmdescRecord& record) override;
  vmstream::Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override;
  vmstream::Status on_problem(const vmstream::Problem& problem) override;

 private:
  vmstream::Status add(std::string line);
  void extend(std::string_view kind, std::span<const std::byte> bytes);
  void flush();

  std::string run_;  // the line of a body that may go on
};

/// Feeds `bytes` in pieces of `piece` bytes and finishes.
vmstream::Status parse_in_pieces(std::span<const std::byte> bytes, size_t piece,
                                 vmstream::StreamVisitor& visitor,
                                 const vmstream::ParseLimits& limits = {},
                                 vmstream::ParseContext context = {});

/// The outcome of a whole parse: the lines, and what it ended with.
struct Outcome {
  EventLog log;
  vmstream::Status status = vmstream::ok();
};
Outcome parse_all(std::span<const std::byte> bytes, size_t piece = 1 << 20,
                  const vmstream::ParseLimits& limits = {}, vmstream::ParseContext context = {});

}  // namespace testing
