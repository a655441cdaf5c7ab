// SPDX-License-Identifier: MIT
// What QEMU says of its guest and its migration, and how a guest that was touched is put back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/qmp.h>

namespace vmstream {

/// QEMU 7.2 does not take 0 for "unlimited" everywhere; a TiB a second is as good.
inline constexpr uint64_t kUnlimitedBandwidth = uint64_t{1} << 40;

/// The answer to query-status.
struct RunStatus {
  std::string name;  ///< such as "running", "paused", "inmigrate", "postmigrate"
  bool running = false;
};
Result<RunStatus> query_run_status(QmpClient& qmp);

/// The answer to query-migrate, for either direction.
struct MigrationStatus {
  std::string name;   ///< such as "active"; "none" before the first migration
  std::string error;  ///< QEMU's own words, escaped; empty without a failure
  bool is_over() const;
};
Result<MigrationStatus> query_migration(QmpClient& qmp);

/// Asks until the migration under way is over.
Result<MigrationStatus> await_migration_end(QmpClient& qmp, const WaitLimits& limits);

/// How the guest was found, and what has been changed of it since.
class GuestState {
 public:
  static Result<GuestState> read(QmpClient& qmp);

  bool was_running() const { return found_.running; }
  const std::string& found_name() const { return found_.name; }

  /// Switches off the capabilities with which a stream would be no state file.
  Status switch_off_capabilities(QmpClient& qmp);
  Status set_bandwidth(QmpClient& qmp, uint64_t bytes_per_second);
  /// Stops a guest that runs.
  Status stop(QmpClient& qmp);
  /// Lets a guest that was found running run again; leaves any other as it is.
  Status resume(QmpClient& qmp);
  /// Parameters and capabilities. Not possible while a migration runs.
  Status put_back_settings(QmpClient& qmp);

 private:
  RunStatus found_;
  uint64_t found_bandwidth_ = 0;
  std::vector<std::string> disturbing_;  // capabilities that were found on and must not be
  bool bandwidth_changed_ = false;
  bool capabilities_changed_ = false;
};

}  // namespace vmstream
