// SPDX-License-Identifier: MIT
// Everything that can be found wrong with a stream: the one place that verify, info and explain
// speak from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <vmstream/problems.h>
#include <vmstream/stream_scan.h>
#include <vmstream/visitor.h>

#include "analysis/scan/check_log.h"
#include "analysis/scan/device_keeper.h"
#include "analysis/scan/part_checks.h"

namespace vmstream {

/// Reads one stream and keeps what is wrong with it, each with what QEMU makes of it: what the
/// parser tells, names and an order of sections that no sender writes, and what the parts of this
/// class find in commands, in RAM and in the description.
/// Memory: device sections, at most 32 MiB, and the ids and names of the sections.
class StreamChecks final : public StreamVisitor {
 public:
  /// `loader`: the release that is to load the stream; without one, whichever is made for it.
  explicit StreamChecks(std::optional<QemuVersion> loader = std::nullopt) : log_(loader) {}
  StreamChecks(const StreamChecks&) = delete;
  StreamChecks& operator=(const StreamChecks&) = delete;

  /// To be told before the stream comes.
  void set_channels_at_hand() { ram_.set_channels_at_hand(); }
  void set_stream_place(std::optional<uint64_t> place) { ram_.set_stream_place(place); }

  struct Findings {
    ProblemLog problems;
    ProblemLog conditions;  ///< no flaws of the stream, but they decide a load
    LoadVerdict verdict;
  };
  /// What was found; how the scan ended is part of it. Call once, and check nothing after.
  Findings finish(const ScanResult& scan);
  /// Whole sections that the description was held against.
  uint64_t described() const { return description_.described(); }
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
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_vmdesc(const VmdescRecord& record) override;
  Status on_cut_vmdesc(const VmdescRecord& record) override;
  Status on_problem(const Problem& problem) override;

 private:
  struct Iterable {
    std::string idstr;
    bool ended = false;
  };

  void check_machine(const Configuration& configuration);
  void check_capabilities(const Configuration& configuration);
  void check_release(bool is_old);
  void check_unversioned(const VmdescRecord& record);
  void check_name(const SectionHeader& header);
  void check_version(const SectionHeader& header);
  void check_age(const SectionHeader& header);
  void check_order(const SectionHeader& header);
  void check_id(const SectionHeader& header);

  CheckLog log_;
  DeviceKeeper keeper_;
  CommandChecks commands_{log_};
  RamChecks ram_{log_};
  DescriptionChecks description_{log_, keeper_};
  KnownDeviceChecks known_{log_, keeper_};
  bool has_configuration_ = false;
  bool is_pc_ = false;
  bool is_unversioned_ = false;  // microvm, which is another machine in each release
  std::optional<QemuVersion> machine_since_;
  std::map<uint32_t, Iterable> iterables_;  // by section id
  std::set<uint32_t> ids_;                  // of FULL sections
  bool sections_have_come_ = false;
  bool devices_have_come_ = false;  // those that stand behind the iterable sections
};

}  // namespace vmstream
