// SPDX-License-Identifier: MIT
// Everything that can be found wrong with a stream: the one place that verify and explain speak
// from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <vmstream/device_state.h>
#include <vmstream/problem_log.h>
#include <vmstream/qemu_version.h>
#include <vmstream/stream_scan.h>
#include <vmstream/verdict.h>
#include <vmstream/visitor.h>
#include <vmstream/vmdesc.h>

#include "analysis/scan/device_keeper.h"

namespace vmstream::analysis {

/// Reads one stream and keeps what is wrong with it, each with what QEMU makes of it: what the
/// parser tells, contents and an order that no sender writes, and where description and sections
/// disagree. Of one place only the first problem is kept. The facts are those of QEMU's
/// migration/savevm.c, ram.c, ram-compress.c and xbzrle.c. Memory: device sections, at most 32 MiB,
/// and 64 bytes and the name of each section.
class StreamChecks final : public StreamVisitor {
 public:
  /// `loader`: the release that is to load the stream; without one, whichever is made for it.
  explicit StreamChecks(std::optional<QemuVersion> loader = std::nullopt) : loader_(loader) {}

  struct Findings {
    ProblemLog problems;
    ProblemLog conditions;  ///< no flaws of the stream, but they decide a load
    LoadVerdict verdict;
  };
  /// What was found; how the scan ended is part of it. Call once, and check nothing after.
  Findings finish(const ScanResult& scan);
  /// Whole sections that the description was held against.
  uint64_t described() const { return described_; }
  /// The FULL sections so far.
  const DeviceKeeper& devices() const { return keeper_; }

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
  Status on_vmdesc(const VmdescRecord& record) override;
  Status on_cut_vmdesc(const VmdescRecord& record) override;
  Status on_problem(const Problem& problem) override;

 private:
  struct Iterable {
    std::string idstr;
    bool ended = false;
  };

  void check_name(const SectionHeader& header);
  void check_order(const SectionHeader& header);
  void check_twice(const SectionHeader& header);
  void check_delta(const Page& page);
  void check_packed(const Page& page);
  void check_fill(const Page& page);
  void tell_fills();
  void check_mapped(const RamBlock& block);
  void check_device(const KeptDevice& device, const Vmdesc& vmdesc);
  void check_postcopy_order(const Command& command);
  void check_two_ways(const Command& command);
  void require(uint64_t offset, std::string message, LoadEffect effect);
  bool is_older_than(QemuVersion version) const { return loader_ && *loader_ < version; }
  bool is_newer_than(QemuVersion version) const { return loader_ && *loader_ > version; }
  void check_virtio(const SectionHeader& header, const DeviceState& state);
  void check_described(const VmdescDevice& described, uint64_t vmdesc_offset);
  void check_repeated();
  void check_left_over(uint64_t vmdesc_offset);
  void tell(Problem problem);
  void tell_refused(uint64_t offset, std::string message);
  void tell_ignored(uint64_t offset, std::string message);

  std::optional<QemuVersion> loader_;
  ProblemLog problems_;
  ProblemLog conditions_;
  std::set<std::string> required_;  // conditions told, each once
  std::set<uint64_t> told_;         // offsets that have a problem already
  DeviceKeeper keeper_;
  uint64_t described_ = 0;
  bool is_recent_ = false;  // the sender writes configurations
  std::optional<QemuVersion> machine_since_;
  size_t postcopy_steps_ = 0;           // ADVISE, LISTEN and RUN that have come
  std::optional<uint64_t> eof_offset_;  // of the first
  bool is_pc_ = false;
  bool has_return_path_ = false;
  bool described_once_ = false;  // a description has come
  bool switched_over_ = false;
  bool any_part_ = false;  // of an iterable section, or an END
  bool devices_since_part_ = false;
  std::optional<uint32_t> page_bytes_;
  std::map<uint32_t, Iterable> iterables_;  // by section id
  std::set<uint32_t> ids_;                  // of FULL sections
  // By name and instance id, how often each came: some devices have no numbers of their own.
  std::map<std::pair<std::string, uint32_t>, uint64_t> devices_;
  std::set<std::pair<std::string, uint32_t>> undescribed_;
  size_t mapped_seen_ = 0;          // blocks of the list so far
  std::vector<Problem> fills_;      // of zero pages with a value
  std::vector<std::byte> scratch_;  // a page that nobody wants
};

}  // namespace vmstream::analysis
