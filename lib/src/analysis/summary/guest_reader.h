// SPDX-License-Identifier: MIT
// What a stream tells of its guest as a whole: its clocks, its processor, how it is started again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/stream_summary.h>

namespace vmstream {

/// Takes the bodies of all FULL sections in turn and keeps the few bytes that matter. Their places
/// are those of the section versions that QEMU has written since 1.4; no description is needed.
/// What does not look like a date is no date.
class GuestReader {
 public:
  void on_section(const SectionHeader& header);
  void on_body(std::span<const std::byte> bytes);
  void on_section_end();

  GuestClocks clocks() const;
  /// The processor version register of a Power machine, if this is one.
  std::optional<uint32_t> power_version() const { return power_version_; }

 private:
  void read_body();
  void read_cmos();
  void read_pl031();
  void read_power();

  SectionHeader header_;
  bool wanted_ = false;  // the section in hand matters
  std::vector<std::byte> body_;
  GuestClocks clocks_;
  std::optional<uint32_t> pl031_offset_;  // seconds from the guest's running time to its date
  std::optional<uint32_t> power_version_;
};

/// `power_version`: the processor version register of a Power machine.
StartArguments start_arguments(const StreamSummary& summary, std::optional<uint32_t> power_version);

}  // namespace vmstream
