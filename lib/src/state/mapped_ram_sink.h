// SPDX-License-Identifier: MIT
// A plain stream on its way into a mapped-ram file.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <vmstream/output_file.h>
#include <vmstream/parser.h>
#include <vmstream/random_source.h>
#include <vmstream/state_index.h>
#include <vmstream/visitor.h>
#include <vmstream/writer.h>
#include "format/ram/sent_memory.h"
#include "state/mapped_areas.h"

namespace vmstream {

/// Writes the stream that it is given as QEMU 9.0 and later writes it into a file with capability
/// mapped-ram: with the capability in the configuration, pages in places of their own between the
/// entries of the block list, all other records behind them, in their order and as they were. Left
/// out is what a file cannot answer or has no use for: the opening of a return path, pings, and
/// marks between the pages of multifd channels.
///
/// Errc::Unsupported for streams that this form has no place for: without a configuration, of a
/// postcopy migration, with memory that stays outside.
/// Memory: that of MappedAreas and of the parser.
class MappedRamSink final : public ByteSink, private StreamVisitor {
 public:
  /// `file` is borrowed: a regular one that nothing has been written to. `digest`: it is read back
  /// for the sake of sha256().
  MappedRamSink(OutputFile& file, bool digest, WaitLimits limits);

  Status write(std::span<const std::byte> bytes) override;
  /// The stream has ended; an error unless it is complete.
  Status finish() override;

  // Of the file, after finish().
  uint64_t length() const { return linear_offset_; }
  const std::string& sha256() const { return sha256_; }  ///< empty unless asked for

 private:
  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_eof(uint64_t offset) override;
  Status on_vmdesc(const VmdescRecord& vmdesc) override;

  Status lay_out(uint32_t page_bytes);
  Status spill(size_t most);

  Status take_digest();

  OutputFile& file_;
  bool digest_;
  WaitLimits limits_;
  std::string sha256_;
  StreamParser parser_{*this};
  MappedAreas areas_;
  std::optional<Configuration> configuration_;
  std::optional<RamBlockList> list_;  // until its blocks have their places
  bool has_list_ = false;
  SentMemory memory_;
  uint32_t page_bytes_ = 0;  // by the last page that was shown
  // What is not pages, one record behind the other.
  Bytes linear_;
  uint64_t linear_offset_ = 0;  // in the file, of the first byte
  std::unique_ptr<ByteSink> linear_sink_ = make_memory_sink(linear_);
  StreamWriter out_{*linear_sink_};
};

/// The index of a mapped-ram file, of which `sent` is that of the stream that it was made from:
/// what only the sender knew is taken from there, all else read from the file.
Result<StateIndex> index_of_mapped(RandomSource& file, const StateIndex& sent, std::string sha256);

}  // namespace vmstream
