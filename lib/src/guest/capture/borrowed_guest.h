// SPDX-License-Identifier: MIT
// What a save borrows of a QEMU and its guest, and how all of it is given back.
#pragma once

#include <optional>
#include <string>

#include <vmstream/output_file.h>
#include <vmstream/qmp.h>
#include "guest/capture/lent_file.h"
#include "guest/capture/survivor.h"
#include "guest/migration/migration_link.h"
#include "guest/migration/migration_settings.h"
#include "guest/monitor/query.h"

namespace vmstream {

/// How the guest was found.
class GuestState {
 public:
  static Result<GuestState> read(QmpClient& qmp);

  bool was_running() const { return found_.running; }
  const std::string& found_name() const { return found_.name; }

  /// Stops a guest that was found running.
  Status stop(QmpClient& qmp);
  /// Lets a guest that was found running run again; leaves any other as it is.
  Status resume(QmpClient& qmp);

 private:
  RunStatus found_;
};

/// Limits of its own for what comes after a save: those of the save may be what has failed.
WaitLimits fresh_limits(Clock::duration patience);

/// A guest from the first look at it until QEMU and it are again as they were found. It gives
/// nothing back by itself: return_loans() and what follows is for the good end, give_back() for
/// every other. Not movable, as others hold references to its parts.
class BorrowedGuest {
 public:
  /// By a session that has been opened at `address`; a lost one is replaced from there.
  BorrowedGuest(QmpAddress address, QmpClient session);
  BorrowedGuest(const BorrowedGuest&) = delete;
  BorrowedGuest& operator=(const BorrowedGuest&) = delete;

  /// Finds out what there is to give back. Fails where no guest can be saved. Changes nothing.
  Status look();

  QmpClient& qmp() { return *qmp_; }
  /// Null once give_back() has lost QEMU.
  QmpClient* surviving_qmp() { return qmp_ ? &*qmp_ : nullptr; }
  GuestState& state() { return *state_; }
  const GuestState& state() const { return *state_; }
  MigrationSettings& settings() { return *settings_; }

  /// Whether QEMU will send this guest, as far as it says beforehand. Changes nothing.
  Status check_migratable();

  /// The way of the stream. `must_end_well`: whether the guest is lost to a migration that is cut,
  /// so that somebody has to read it to its end.
  Status open_link(bool must_end_well);
  /// The same for a file that QEMU is to write itself.
  Status lend(const OutputFile& file, bool direct_io);
  /// QEMU will pause when it has sent the memory, and must not be told to cancel just then.
  void expect_pause() { pauses_ = true; }
  /// From here until all has been given back QEMU will be told what give_back() tells it, should
  /// this process be killed. The last thing to do before the guest is stopped.
  Status leave_will();
  int stream() const { return link_->descriptor(); }
  /// Begins to migrate by the link, up to the first byte of the stream.
  Status migrate_by_link(const WaitLimits& limits);
  /// Begins to migrate into the file that was lent.
  Status migrate_to_file();
  /// Waits until QEMU says that all went well, and what it has sent.
  Result<MigrationStatus> await_completed(const WaitLimits& limits);

  /// Takes back what was lent to QEMU for a migration that is over.
  void return_loans();
  /// For a guest that goes on by itself, or is to stay as it is.
  void withdraw_will() { will_.reset(); }
  /// Ends what goes on, in whatever state, and puts all back.
  Status give_back();

 private:
  Status start_migration(const std::string& uri);
  Error refused(Error error);
  Status provide_drain();
  void end_migration();
  void cancel();
  void let_it_pause();
  Status run_dry();
  Status revive();
  Error leave_to_will();
  Status await_end();

  QmpAddress address_;
  std::optional<QmpClient> qmp_;
  std::optional<GuestState> state_;
  std::optional<MigrationSettings> settings_;
  std::optional<MigrationLink> link_;
  std::optional<Survivor> drain_;  // of the stream
  bool must_end_well_ = false;
  bool pauses_ = false;
  bool lends_file_ = false;
  std::optional<LentFile> lent_;
  std::optional<Survivor> will_;
  bool migrating_ = false;  // from `migrate` until its end has been seen
};

}  // namespace vmstream
