// SPDX-License-Identifier: MIT
// The description of a stream and its device sections, held against each other.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <vmstream/device_state.h>
#include <vmstream/vmdesc.h>

#include "analysis/scan/check_log.h"
#include "analysis/scan/device_keeper.h"

namespace vmstream::analysis {

/// In both directions: each section is described and decodes as it is described, and each
/// description has its section. Memory: the names of as many sections as kMostNames.
class DescriptionChecks {
 public:
  /// Both are borrowed.
  DescriptionChecks(CheckLog& log, const DeviceKeeper& devices) : log_(log), devices_(devices) {}

  /// A FULL section has come.
  void count(const SectionHeader& header);
  void on_vmdesc(const VmdescRecord& record);
  /// What is not described may have been, in the part that is lost.
  void on_cut_vmdesc(const VmdescRecord& record);
  void finish();
  /// Whether one has come, be it in part.
  bool has_description() const { return has_description_; }
  /// Sections that were held against a description.
  uint64_t described() const { return described_; }

 private:
  using Name = std::pair<std::string, uint32_t>;  // idstr and instance id

  void check_device(const KeptDevice& device, const Vmdesc& vmdesc);
  void check_version(const SectionHeader& header, const VmdescDevice& described);
  void check_virtio(const SectionHeader& header, const DeviceState& state);
  bool is_sound_head(const SectionHeader& header) const;
  void take_off(const VmdescDevice& described);
  void check_left_over(uint64_t vmdesc_offset);

  CheckLog& log_;
  const DeviceKeeper& devices_;
  uint64_t described_ = 0;
  bool has_description_ = false;
  std::map<Name, uint64_t> times_;  // how often each came; some devices share a name and an id
  std::set<Name> undescribed_;
};

}  // namespace vmstream::analysis
