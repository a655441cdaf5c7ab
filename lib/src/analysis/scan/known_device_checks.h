// SPDX-License-Identifier: MIT
// The device sections of a PC held against what QEMU is known to write.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "analysis/scan/check_log.h"
#include "analysis/scan/device_keeper.h"
#include "analysis/scan/known_devices.h"

namespace vmstream::analysis {

/// For streams without a description, in which nothing else holds names, versions, instances and
/// lengths of devices against damage. Devices that are not known here may be of any form, and so
/// may all of a stream that is not of a PC.
class KnownDeviceChecks {
 public:
  /// Both are borrowed.
  KnownDeviceChecks(CheckLog& log, const DeviceKeeper& devices) : log_(log), devices_(devices) {}

  /// Something else tells that it is one.
  void take_for_pc() { is_taken_for_pc_ = true; }
  /// That, or sections are there that only PCs have.
  bool is_pc() const;
  /// One of a machine type before 2.4, if the stream has no configuration either.
  bool is_old_pc() const;
  /// Once all sections have come. `versions_are_settled`: a machine type, or none, that a release
  /// known here has, so that no later one may write it in another way.
  void finish(bool is_described, bool versions_are_settled);

 private:
  using Name = std::pair<std::string, uint32_t>;  // idstr and instance id

  bool comes(std::string_view name) const;
  size_t count(const std::string& idstr) const;
  void check_name(const SectionHeader& header);
  void check_known(const KeptDevice& section, const KnownDevice& device);
  void check_version(const SectionHeader& header, const KnownDevice& device);
  void check_instance(const SectionHeader& header, Instances instances);
  void check_processor(const SectionHeader& header);
  void check_length(const KeptDevice& section, const KnownDevice& device);
  void check_nested(const KeptDevice& section, const KnownDevice& device);
  void check_rest(const KeptDevice& section, size_t wanted);
  void tell_rest(const KeptDevice& section, size_t at);
  void check_heads_within(const KeptDevice& section);
  void check_count(const KeptDevice& section, const KnownDevice& device);

  CheckLog& log_;
  const DeviceKeeper& devices_;
  std::set<Name> names_;
  bool is_taken_for_pc_ = false;
  uint32_t spare_versions_ = 0;  // that later releases may have
};

}  // namespace vmstream::analysis
