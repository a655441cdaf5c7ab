// SPDX-License-Identifier: MIT
// A save whose file QEMU writes itself, each page into a place of its own (capability mapped-ram).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <vmstream/capture.h>
#include <vmstream/output_file.h>
#include "guest/capture/live_save.h"
#include "guest/migration/migration_settings.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

/// Whether QEMU is to write pages by channels of their own (capability multifd), one a thread.
bool writes_in_parallel(const CaptureOptions& options);
unsigned channel_count(const CaptureOptions& options);

/// Tells QEMU how to write the file that it was lent, waits until it has, and reads what came of
/// it. All borrowed; `observer` may be null.
class MappedSave {
 public:
  MappedSave(QmpClient& qmp, const CaptureOptions& options, CaptureObserver* observer);

  /// Whether this QEMU can, by this monitor: Errc::Unsupported. Changes nothing.
  Status check(const MigrationSettings& settings) const;

  /// Until the migration is over, well or not. What QEMU says meanwhile goes to `listener`.
  Status await_end(MonitorListener& listener);

  /// After the migration: reads the framing of what QEMU wrote, and all of it where a digest is
  /// asked for. The index goes to whom it was promised, with the circumstances. The error is the
  /// parser's where the file is not whole. `live` may be null.
  Result<CaptureSummary> survey(const OutputFile& file, const LiveSave* live,
                                CaptureCircumstances how);

 private:
  void report(const MigrationStatus& status);
  Result<std::string> digest(RandomSource& file) const;
  void give_index(StateIndex index, const CaptureSummary& summary, CaptureCircumstances how) const;

  QmpClient& qmp_;
  const CaptureOptions& options_;
  CaptureObserver* observer_;
  Clock::time_point start_ = Clock::now();
  RamProgress ram_;           // as QEMU told last
  double write_seconds_ = 0;  // from the start to the migration's end
};

}  // namespace vmstream
