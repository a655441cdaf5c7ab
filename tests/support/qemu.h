// SPDX-License-Identifier: MIT
// A real QEMU with the test guest, for one test.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/qmp.h>
#include "base/unique_fd.h"
#include "io/child_process.h"
#include "support/temp_dir.h"

namespace testing {

/// A line of the test guest's: "T 000123 OK 5e8d2c10".
struct Tick {
  uint64_t number = 0;
  bool memory_intact = false;
};

/// What the test guest has printed into the file `path`, so far.
std::vector<Tick> read_ticks(const std::string& path);
/// Waits until `path` holds a tick with at least this number, and gives the last one; nothing when
/// that takes longer than `patience`.
std::optional<Tick> wait_for_tick(const std::string& path, uint64_t number,
                                  std::chrono::seconds patience = std::chrono::seconds(20));

struct QemuOptions {
  bool incoming = false;     ///< -incoming defer
  bool tcp_monitor = false;  ///< instead of a unix socket
  std::string accel = "tcg";
  unsigned memory_mib = 32;
  std::vector<std::string> extra = {};
};

/// The command line of a QEMU with the test guest whose serial port is the file `serial`.
std::vector<std::string> qemu_command(const std::string& serial, const QemuOptions& options = {});

/// Starts in the constructor, is ended (by pid) in the destructor. What goes wrong with it fails
/// the test at hand.
class Qemu {
 public:
  explicit Qemu(const QemuOptions& options = {});

  const vmstream::QmpAddress& monitor() const { return monitor_; }
  const std::string& serial() const { return serial_; }
  pid_t pid() const { return child_->pid(); }

  /// The last tick printed; none printed counts as tick 0 of a guest with broken memory.
  Tick last_tick() const;
  /// Waits for `count` more ticks.
  Tick await_ticks(uint64_t count) const;
  /// Whether not one tick comes for a quarter of a second, in which a running guest prints ten.
  bool stands_still() const;

  /// One command over a monitor session of its own: what stands under "return", as JSON text.
  std::string ask(const std::string& command, const std::string& arguments = {}) const;
  /// QEMU's word for the run state, such as "running".
  std::string run_state() const;

  /// SIGKILL.
  void kill();
  /// Waits for the process to end by itself.
  std::optional<vmstream::ExitStatus> wait_for_end();

 private:
  TempDir folder_;
  std::string serial_ = folder_ / "serial";
  vmstream::QmpAddress monitor_;
  vmstream::UniqueFd listener_;
  std::optional<vmstream::ChildProcess> child_;
};

}  // namespace testing
