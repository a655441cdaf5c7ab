// SPDX-License-Identifier: MIT
// The way that a stream takes between QEMU and this process.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include <vmstream/qmp.h>
#include "base/unique_fd.h"
#include "guest/migration/private_folder.h"

namespace vmstream {

/// One end of a pipe or, where both sides speak, of a pair of sockets; or of a unix socket where
/// the monitor cannot carry a descriptor to QEMU. There the other side must be the user who has the
/// other end of the monitor's connection; who else connects is sent away.
///
/// Never `exec:`, whose exit status QEMU throws away. Use: open, give uri() to `migrate` or
/// `migrate-incoming`, then await_peer(). The destructor closes our end; forget() takes an
/// unused descriptor out of QEMU.
class MigrationLink {
 public:
  enum class Direction { FromQemu, ToQemu, BothWays };

  static Result<MigrationLink> open(QmpClient& qmp, Direction direction);
  MigrationLink(MigrationLink&& other) noexcept = default;
  MigrationLink& operator=(MigrationLink&&) = delete;

  const std::string& uri() const { return uri_; }
  /// Waits until both ends are connected. Fails when QEMU says that its side failed.
  Status await_peer(QmpClient& qmp, const WaitLimits& limits);
  int descriptor() const { return end_.get(); }
  void close() { end_.reset(); }
  /// Closes QEMU's copy of a descriptor that no migration took over, known here or not: its name is
  /// always the same. Errors do not matter.
  static void forget(QmpClient& qmp);

 private:
  explicit MigrationLink(Direction direction) : direction_(direction) {}
  Status pass_end(QmpClient& qmp);
  Status open_socket(const QmpClient& qmp);
  Status listen();
  Status accept(QmpClient& qmp, const WaitLimits& limits);
  bool take_peer(UniqueFd peer);
  Error no_connection(const std::string& reason) const;

  Direction direction_;
  std::string uri_;
  uid_t user_ = 0;                 // QEMU's
  std::optional<uid_t> stranger_;  // who came instead
  std::optional<PrivateFolder> folder_;
  UniqueFd listener_;
  UniqueFd end_;
};

}  // namespace vmstream
