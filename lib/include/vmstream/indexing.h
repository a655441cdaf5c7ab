// SPDX-License-Identifier: MIT
// Making the index of a stream, and keeping it beside its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <vmstream/output_file.h>
#include <vmstream/state_index.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// Upper bounds of what a builder keeps. A table that would grow beyond is given up, and the index
/// says so; the rest of it is as good as ever.
struct IndexLimits {
  uint64_t page_map_bytes = 64u << 20;  ///< 24 for each run of pages, 16 for each Xbzrle record
  uint64_t records = 128u << 10;        ///< of about 150 bytes each; equal ones in a row are one
};

/// A visitor that collects what an index holds. Pages that follow each other in memory and in the
/// stream cost one compare each. Memory: IndexLimits, and as much as a log of runs while tables are
/// put together.
///
/// A stream in which bytes were lost (StreamVisitor::on_gap) gets no page map: what stood in the
/// gap may have been the last word on any page.
class IndexBuilder final : public StreamVisitor {
 public:
  explicit IndexBuilder(IndexLimits limits = {});
  ~IndexBuilder() override;
  IndexBuilder(IndexBuilder&&) noexcept;

  /// The index, when the parser has finished. `complete`: it found the stream whole. The digest,
  /// passes and circumstances are the caller's to fill in. Call once, and collect nothing after.
  StateIndex finish(uint64_t plain_bytes, uint64_t stream_bytes, bool complete);

  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_package_end(uint64_t offset) override;
  Status on_eof(uint64_t offset) override;
  Status on_vmdesc(const VmdescRecord& vmdesc) override;
  Status on_problem(const Problem& problem) override;
  Status on_gap(const StreamGap& gap) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Where the index of a file lies that has none of its own: "FILE.vmsx".
std::string sidecar_path(const std::string& file);

/// Gives the bytes of an index (MadeIndex::bytes) their name, mode 0600, when they are whole and on
/// the disk. Follows no link and replaces nothing, with Overwrite::Replace nothing but an index:
/// Errc::Refused where anything else has that name, Errc::Usage for bytes that are no index with a
/// FileMark.
Status publish_sidecar(const std::string& path, std::span<const std::byte> bytes,
                       Overwrite overwrite, WaitLimits limits = {});

/// Whether an index lies beside `file` that was made for other content: whoever has just given the
/// file its content can say so. It does no harm, readers know an index by FileMark.
bool has_stale_sidecar(const std::string& file);

}  // namespace vmstream
