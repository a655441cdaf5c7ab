// SPDX-License-Identifier: MIT
// A QEMU that waits for a guest, as a sink.
#pragma once

#include <optional>

#include <vmstream/byte_sink.h>
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

}  // namespace vmstream
