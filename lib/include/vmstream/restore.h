// SPDX-License-Identifier: MIT
// Bringing a guest back: from the plain stream of a state file into a QEMU.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/qmp.h>
#include <vmstream/stream_statistics.h>

namespace vmstream {

/// Run state of the guest after the load. Paused is set before it: the guest runs no instruction.
enum class RunState { AsSaved, Running, Paused };

/// How much of a stream waits for its source to end well.
enum class HoldBack {
  End,  ///< what makes a receiver start the guest
  /// All from the last section of guest memory on, for sources that prove only at their end whose
  /// bytes they are: no device's state is handed on before. Costs 64 MiB; of a section that is
  /// longer the front goes ahead, which is guest memory and decides nothing.
  LastRamSection,
};

/// Told how far a restore has come; called from the restoring thread.
class RestoreObserver {
 public:
  virtual ~RestoreObserver() = default;
  virtual void on_progress(const StreamCounts&) {}
  virtual void on_warning(const std::string&) {}
  /// The stream has proved whole and its end is about to be handed on: from here on the guest may
  /// run, whatever becomes of the restore. Not called in restores that fail before.
  virtual void on_point_of_no_return() {}
};

/// What was handed on.
struct RestoreSummary {
  StreamCounts counts;
  std::string machine;
  std::string run_state;  ///< QEMU's own word, such as "running"; empty without a monitor
  double total_seconds = 0;
};

/// Moves a plain stream into `sink` so that a cut or damaged one cannot become a running guest:
/// only bytes that have been recognised are handed on, and the EOF record and all behind it only
/// after the source has proved whole. Errc::Unsupported for a mapped-ram stream, which has to pass
/// make_unmapped_source() first. Bytes behind the stream's end are dropped with a warning.
/// Finishes `sink`.
Result<RestoreSummary> restore_stream(ByteSource& plain, ByteSink& sink,
                                      RestoreObserver* observer = nullptr,
                                      HoldBack hold_back = HoldBack::End);

/// How a guest is brought back.
struct RestoreOptions {
  RunState run_state = RunState::AsSaved;
  WaitLimits limits = {};
  HoldBack hold_back = HoldBack::End;
};

/// Feeds a QEMU that was started with `-incoming defer`, waits until it says completed, then sets
/// the run state. Fails before anything is sent if that QEMU does not wait for a stream.
///
/// A source that fails before it has given a stream's first bytes leaves QEMU waiting as it was;
/// one that fails later ends that QEMU, which never runs the guest. The source's error is the one
/// returned. `qmp` keeps the limits of `options`.
Result<RestoreSummary> restore_guest(ByteSource& plain, QmpClient& qmp, RestoreOptions options,
                                     RestoreObserver* observer = nullptr);

/// A QEMU that this process started to receive a guest. The destructor ends it (by pid) unless it
/// was released; release() leaves it running.
class QemuProcess {
 public:
  /// Starts `argv` with `-incoming defer` and a private monitor added. Its stdin, stdout and stderr
  /// are this process's own. Fails if `argv` has an -incoming of its own. A QEMU with -daemonize
  /// goes on behind the process started here: wait() does not wait for it, and the destructor asks
  /// it to quit through the monitor.
  static Result<QemuProcess> start(std::vector<std::string> argv, WaitLimits limits = {});
  QemuProcess(QemuProcess&&) noexcept;
  ~QemuProcess();

  QmpClient& qmp();
  int pid() const;
  /// Closes the private monitor and waits for the process's end; its exit status, or 128 + signal.
  Result<int> wait();
  void release();

 private:
  struct State;
  explicit QemuProcess(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The QMP commands and the shell recipe of a restore, as text. `input` is what vmrestore is told
/// of the file, as a shell takes it; `address` may be null.
std::string explain_restore(const std::string& input, const QmpAddress* address,
                            const RestoreOptions& options);

}  // namespace vmstream
