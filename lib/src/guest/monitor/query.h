// SPDX-License-Identifier: MIT
// What QEMU says of itself, of its guest and of its migration, and where it says the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <vmstream/qmp.h>
#include "base/json.h"

namespace vmstream {

/// The answer to a query, as a value.
Result<Json> ask(QmpClient& qmp, const char* command);

/// The answer to query-status.
struct RunStatus {
  std::string name;  ///< such as "running", "paused", "inmigrate", "postmigrate"
  bool running = false;
};
Result<RunStatus> query_run_status(QmpClient& qmp);

/// How far the RAM of a migration has come, as QEMU counts it.
struct RamProgress {
  uint64_t syncs = 0;       ///< looks at what the guest has dirtied; the first is at the start
  uint64_t pages_sent = 0;  ///< page records
  uint64_t pages_left = 0;  ///< dirty at the last look and not sent since
  uint64_t bytes_left = 0;  ///< the same in bytes
  uint64_t page_bytes = 0;
  uint64_t bytes_sent = 0;
  uint64_t total_bytes = 0;       ///< of guest memory
  uint64_t pages_dirtied = 0;     ///< a second, before the last look
  uint64_t throttle_percent = 0;  ///< that auto-converge takes from the guest's processors
  // Page records by kind, where QEMU counts them right: of compressed streams it does not tell
  // those of one repeated byte.
  std::optional<uint64_t> normal_pages = std::nullopt;
  std::optional<uint64_t> duplicate_pages = std::nullopt;
};

/// The answer to query-migrate, for either direction.
struct MigrationStatus {
  std::string name;          ///< such as "active"; "none" before the first migration
  std::string error;         ///< QEMU's own words, escaped; empty without a failure
  std::string blocker = {};  ///< likewise, of the first thing that forbids one (QEMU 6.0)
  std::optional<RamProgress> ram = std::nullopt;

  bool is_over() const;
  /// Whether QEMU waits, as it was set to, before the last pages and the devices.
  bool is_paused() const { return name == "pre-switchover"; }
};
/// From the answer's text.
Result<MigrationStatus> read_migration_status(std::string_view text);
Result<MigrationStatus> query_migration(QmpClient& qmp);

/// Asks until the migration under way is over.
Result<MigrationStatus> await_migration_end(QmpClient& qmp, const WaitLimits& limits);
/// The same of a load that QEMU was told to begin: as long as it has not, its status is "none".
Result<MigrationStatus> await_load_end(QmpClient& qmp, const WaitLimits& limits);

/// The same, or until it pauses.
Result<MigrationStatus> await_pause_or_end(QmpClient& qmp, const WaitLimits& limits);

/// The processor that QEMU emulates, such as "x86_64"; empty where it does not say.
std::string query_target(QmpClient& qmp);

/// Whether a capability of migrations is on; nullopt where QEMU does not say.
std::optional<bool> query_capability(QmpClient& qmp, std::string_view name);

/// Whether the guest's processors are the host's own, by KVM, instead of emulated.
Result<bool> query_kvm(QmpClient& qmp);

/// The file that QEMU's standard error goes to, escaped; empty where it goes elsewhere, or that
/// cannot be told: by TCP, and of a QEMU of another user. To be asked while QEMU lives.
std::string find_qemu_log(const QmpClient& qmp);

}  // namespace vmstream
