// SPDX-License-Identifier: MIT
// Parts of a stream as files of their own: guest memory, disks, sections, the description.
//
// Each extractor is a visitor for scan_stream(); finish() says whether all of the part was there.
// Names from the stream choose what is taken, never where it goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <vmstream/byte_sink.h>
#include <vmstream/output_file.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// What a memory image holds.
struct RamImageInfo {
  std::string block;  ///< its name, not escaped; empty in ram version 3
  uint64_t bytes = 0;
  /// Never sent, or taken back by a postcopy source and not sent again; zero in the image.
  uint64_t absent_pages = 0;
};

/// Writes a RAM block as the guest last had it: the last record of a page wins, deltas are applied
/// to the page's earlier content, which is read back from the file. Zero pages are holes.
///
/// In ram version 3, which has no blocks, all of RAM is taken as one, by address.
/// Memory: 4 bytes for each run of pages that were sent alike, as RamUsageCollector has it;
/// otherwise constant.
class RamExtractor final : public StreamVisitor {
 public:
  /// `out`, a regular file, is borrowed. Without a name the stream must have one block only; a name
  /// may be given as it is or escaped.
  RamExtractor(OutputFile& out, std::optional<std::string> block);
  ~RamExtractor() override;

  /// Hands the rest to the file. Errc::Usage if there is no such block, Errc::Truncated if the
  /// stream broke off before the ram section's end, Errc::Unsupported if its pages are not in it.
  Result<RamImageInfo> finish();

  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_command(const Command& command) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_eof(uint64_t offset) override;
  Status on_gap(const StreamGap& gap) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes the image of a disk that was migrated with the guest (section "block"). Its length is
/// that of the chunks sent, a multiple of 1 MiB; the stream does not tell the disk's own.
class DiskExtractor final : public StreamVisitor {
 public:
  /// As for RamExtractor; `device` is the name of the block device.
  DiskExtractor(OutputFile& out, std::optional<std::string> device);
  ~DiskExtractor() override;

  /// The length of the image.
  Result<uint64_t> finish();

  Status on_section(const SectionHeader& header) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_gap(const StreamGap& gap) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Which section: by its id, or by idstr and instance id.
struct SectionChoice {
  /// "12", "timer" or "timer#0".
  static SectionChoice parse(std::string_view text);
  bool names(const SectionHeader& header) const;

  std::optional<uint32_t> section_id;
  std::string idstr;  ///< as it is or escaped
  std::optional<uint32_t> instance_id;
};

/// Writes a section as it stands in the stream, from its type byte to its footer; the slices of one
/// that comes in parts one behind the other.
class SectionExtractor final : public StreamVisitor {
 public:
  /// `out` is borrowed and not finished.
  SectionExtractor(ByteSink& out, SectionChoice choice);
  ~SectionExtractor() override;

  /// Errc::Usage if there is no such section, Errc::Truncated if its end is missing.
  Status finish();

  Status on_header(const StreamHeader& header) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_gap(const StreamGap& gap) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes the JSON description as it stands in the stream.
class VmdescExtractor final : public StreamVisitor {
 public:
  /// `out` is borrowed and not finished.
  explicit VmdescExtractor(ByteSink& out) : out_(out) {}
  /// Errc::Usage if the stream has none.
  Status finish() const;
  Status on_vmdesc(const VmdescRecord& vmdesc) override;

 private:
  ByteSink& out_;
  bool found_ = false;
};

}  // namespace vmstream
