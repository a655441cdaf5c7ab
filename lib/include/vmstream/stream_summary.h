// SPDX-License-Identifier: MIT
// What a person asks first of a stream: machine, RAM, devices, complete or not.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/guest_start.h>
#include <vmstream/problem_log.h>
#include <vmstream/qemu_version.h>
#include <vmstream/stream_scan.h>
#include <vmstream/verdict.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// Page records by kind. A page that was sent twice counts twice.
class PageCounts {
 public:
  static constexpr std::array kKinds = {PageKind::Data, PageKind::Zero, PageKind::Fill,
                                        PageKind::Xbzrle, PageKind::Compressed};

  void add(PageKind kind, uint64_t records = 1) { counts_[static_cast<size_t>(kind)] += records; }
  uint64_t operator[](PageKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  uint64_t total() const;
  auto operator<=>(const PageCounts&) const = default;

 private:
  std::array<uint64_t, kKinds.size()> counts_{};
};

/// A RAM block, and the page records that were sent of it.
struct RamBlockSummary {
  RamBlock block;
  PageCounts pages;
  uint64_t absent_pages = 0;  ///< as an index counts them; a scan leaves it 0
};

/// The pages of `block` that no record tells of, at least: there are only so many `records`, and
/// some may be of a page that was sent before. A complete stream has them where pages went another
/// way: through other channels (multifd), in shared memory (x-ignore-shared).
uint64_t count_absent_pages(const RamBlock& block, uint64_t records, uint64_t page_size);
/// The same with what an index may know besides.
uint64_t count_absent_pages(const RamBlockSummary& summary, uint64_t page_size);

/// An iterable section: ram, block, dirty-bitmap, … with all of its slices.
struct IterableSummary {
  SectionHeader start;
  uint64_t sections = 0;  ///< START, PARTs and END
  uint64_t bytes = 0;     ///< of all of them, framing included
  bool ended = false;     ///< an END was seen
};

/// A FULL section.
struct DeviceSummary {
  SectionHeader header;
  uint64_t length = 0;  ///< framing included
  uint64_t body_length = 0;
  bool footer = false;
  BoundedBy bounded_by = BoundedBy::Format;
  std::optional<uint64_t> fields = std::nullopt;       ///< by the vmdesc; nested ones not counted
  std::optional<uint64_t> subsections = std::nullopt;  ///< by the vmdesc
};

/// The answers. Owns everything; names are as in the stream, not escaped.
struct StreamSummary {
  std::optional<StreamHeader> header;
  std::optional<Configuration> configuration;
  std::optional<uint32_t> target_page_size;
  std::optional<uint32_t> ram_version;  ///< version id of the ram section
  uint64_t ram_bytes = 0;               ///< sum of the blocks' lengths, as the stream gives it
  std::vector<RamBlockSummary> blocks;
  PageCounts pages;  ///< of all blocks, and of streams without block names
  std::vector<IterableSummary> iterables;
  std::vector<DeviceSummary> devices;
  std::optional<std::string> run_state;  ///< of the guest when it was saved, QEMU's own word
  uint64_t commands = 0;
  bool postcopy = false;  ///< the guest was switched over before its RAM had been sent
  bool footers = false;
  bool vmdesc = false;
  QemuVersionRange qemu;
  StartArguments start;
  GuestClocks clocks;
  ProblemLog problems;
  LoadVerdict load;  ///< the caller sets it, as a Verifier of the same scan found it

  bool complete = false;
  /// With neither footers nor a description a zero byte at the end of the file is taken for the
  /// stream's end mark: a stream that was cut behind one looks the same.
  bool end_is_inferred() const {
    return complete && !devices.empty() && devices.back().bounded_by == BoundedBy::NextHeader;
  }
  /// False where only the ends of the stream were scanned: page counts, commands and the slices of
  /// iterables are unknown then. The caller sets it.
  bool ram_read = true;
  uint64_t stream_bytes = 0;
  uint64_t trailing_bytes = 0;  ///< behind the end of the stream
};

/// Collects a summary. Memory grows with the number of distinct sections and RAM blocks only.
/// Use: scan_stream() with this visitor, then finish() with the scan's result.
class SummaryCollector : public StreamVisitor {
 public:
  SummaryCollector();
  ~SummaryCollector() override;

  /// Adds what only the end of the stream could tell. Call once, and collect nothing after.
  StreamSummary finish(const ScanResult& scan);

  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_vmdesc(const VmdescRecord& record) override;
  Status on_cut_vmdesc(const VmdescRecord& record) override;
  Status on_problem(const Problem& problem) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
