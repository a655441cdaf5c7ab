// SPDX-License-Identifier: MIT
// Capabilities and parameters of QEMU's migration that are borrowed for a save.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <vmstream/qmp.h>
#include "base/json.h"
#include "guest/monitor/qmp_command.h"

namespace vmstream {

/// QEMU 7.2 does not take 0 for "unlimited" everywhere; a TiB a second is as good.
inline constexpr uint64_t kUnlimitedBandwidth = uint64_t{1} << 40;
/// The longest downtime that QEMU takes, in milliseconds.
inline constexpr uint64_t kLongestDowntime = 2'000'000;

/// What QEMU was found set to, and what has been changed of it since.
class MigrationSettings {
 public:
  using Capabilities = std::vector<std::pair<std::string, bool>>;
  using Parameters = std::map<std::string, Json>;

  static Result<MigrationSettings> read(QmpClient& qmp);

  bool knows_capability(const std::string& name) const { return capabilities_.contains(name); }
  bool knows_parameter(const std::string& name) const { return parameters_.contains(name); }

  /// Sets those that are known and not so already, by one command: QEMU takes all or none. Not
  /// possible while a migration runs.
  Status set_capabilities(QmpClient& qmp, const Capabilities& wanted);
  Status set_parameters(QmpClient& qmp, const Parameters& wanted);
  /// A parameter that is changed past this object is to be put back all the same.
  void owe_parameter(const std::string& name) { changed_parameters_[name] = parameters_[name]; }

  /// All as found. Not possible while a migration runs.
  Status put_back(QmpClient& qmp);
  /// What put_back() would tell QEMU now. The first of it QEMU refuses until a migration is over;
  /// the rest it would take too early: multifd ends as many channels as it is set to have.
  std::vector<QmpCommand> way_back() const;

 private:
  std::map<std::string, bool> capabilities_;  // as found
  Parameters parameters_;                     // as found: numbers and switches
  Capabilities changed_capabilities_;         // as found
  Parameters changed_parameters_;             // as found
};

}  // namespace vmstream
