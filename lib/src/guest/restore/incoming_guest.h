// SPDX-License-Identifier: MIT
// A QEMU that waits for a guest: the stream that goes to it, and what becomes of the load.
#pragma once

#include <optional>
#include <string>

#include <vmstream/byte_sink.h>
#include <vmstream/qmp.h>
#include <vmstream/restore.h>
#include "guest/migration/migration_link.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

/// Begins the incoming migration with the first bytes and not before.
///
/// A QEMU 7.2 whose link closes before it has carried a byte never notices, and takes no other
/// stream either; so a source that fails at once must leave it waiting as it was.
class IncomingSink final : public ByteSink {
 public:
  /// All is borrowed. With `start_paused` the guest runs no instruction after the load.
  IncomingSink(QmpClient& qmp, MonitorWatch& watch, bool start_paused)
      : qmp_(qmp), watch_(watch), start_paused_(start_paused) {}

  Status write(std::span<const std::byte> bytes) override;
  /// Closes the link: QEMU takes that for a failed load unless the stream's end has been written.
  Status finish() override;

  /// Whether QEMU stopped reading, so that it is QEMU who knows what is wrong.
  bool broken() const { return broken_; }

 private:
  Status begin();

  QmpClient& qmp_;
  MonitorWatch& watch_;
  bool start_paused_;
  std::optional<MigrationLink> link_;
  std::optional<MonitoredSink> pipe_;  // behind link_: it writes to the link's descriptor
  bool broken_ = false;
};

/// Fails unless this QEMU waits with -incoming defer.
Status require_waiting(QmpClient& qmp);

/// Waits until QEMU says that the guest has been loaded. A QEMU that ends meanwhile is an error
/// that says so.
Status await_loaded(QmpClient& qmp, const WaitLimits& limits);

/// A QEMU that gives up closes its end of the stream first and says why, or ends, a moment later.
/// One that has loaded the guest without reading the vmdesc is content. `error` is what is known of
/// the stream's end; it comes back where QEMU says nothing. `qmp` has `limits` afterwards.
Status explain_broken_load(QmpClient& qmp, const WaitLimits& limits, const Error& error);

/// Of a QEMU that has not got the end of its stream, and never will: one that says it has loaded
/// the guest all the same has been deceived. Its guest is stopped, which the error says; empty
/// where there is none. `qmp` has `limits` afterwards.
std::optional<Error> stop_unproved_guest(QmpClient& qmp, const WaitLimits& limits);

/// Lets a loaded guest run where that is wanted and it does not; QEMU's word for its run state.
Result<std::string> settle_run_state(QmpClient& qmp, RunState wanted);

}  // namespace vmstream
