// SPDX-License-Identifier: MIT
// Writes every structure that the parser reads. Parse, then write, gives the same bytes.
#pragma once

#include <span>
#include <string_view>

#include <vmstream/byte_sink.h>
#include <vmstream/format.h>

namespace vmstream {

/// Appends records to a sink, in the order of the calls; order and completeness are the caller's
/// affair. The fields named `offset` of the values are ignored. Names longer than 255 bytes are an
/// Errc::Usage error.
class StreamWriter {
 public:
  /// `sink` is borrowed; the writer does not finish it.
  explicit StreamWriter(ByteSink& sink) : sink_(sink) {}

  Status header(const StreamHeader& header);
  Status configuration(const Configuration& configuration);
  Status section(const SectionHeader& header);
  /// The block list, without an end mark.
  Status ram_blocks(const RamBlockList& list);
  /// The two parts of a block list: its head, and one entry. A mapped-ram stream has each block's
  /// bitmap and pages, as body bytes, between the entries.
  Status ram_total(uint64_t total_bytes);
  Status ram_block(const RamBlock& block);
  Status page(const Page& page);
  Status ram_mark(RamMark mark);
  /// Bytes of a body, as they are.
  Status body(std::span<const std::byte> bytes);
  Status footer(uint32_t section_id);
  /// A whole record of stream versions 1 and 2.
  Status counted_record(const SectionHeader& header, std::span<const std::byte> body);
  Status command(const Command& command);
  Status eof();
  Status vmdesc(std::string_view json);

 private:
  ByteSink& sink_;
};

}  // namespace vmstream
