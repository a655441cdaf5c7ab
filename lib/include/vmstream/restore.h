// SPDX-License-Identifier: MIT
// Bringing a guest back: from the plain stream of a state file into a QEMU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
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
///
/// Whatever is chosen, no QEMU gets a command that starts the guest before the stream's end:
/// packages of postcopy streams are opened, and what only a postcopy load needs is left out.
enum class HoldBack {
  /// The stream's end only, in the stream's own order. For sources that were proved beforehand and
  /// are read again through the same descriptor, and for files that nobody sees before they are
  /// whole. Device state of a package waits behind the memory even so, up to 256 MiB.
  End,
  /// Guest memory passes, with the header, the configuration and early device state in front of it;
  /// all else waits, in its order, up to 256 MiB (Errc::Unsupported above). Where it is not certain
  /// how large QEMU's pages are, the memory waits with the rest.
  AllButMemory,
  /// Likewise, for sources that prove only at their end whose bytes they are: early device state is
  /// refused (Errc::Refused).
  AllUnsigned,
};

/// Told how far a restore has come; called from the restoring thread.
class RestoreObserver {
 public:
  virtual ~RestoreObserver() = default;
  virtual void on_progress(const StreamCounts&) {}
  virtual void on_warning(const std::string&) {}
  /// The first byte that can start the guest or touch its disks is about to be handed on: from here
  /// on it may run, whatever becomes of the restore. Called once, and not in restores that fail
  /// before.
  virtual void on_point_of_no_return() {}
  /// QEMU did not take the stream; `words` have its reason as far as its monitor tells it.
  virtual void on_refusal(const std::string& /*words*/) {}
};

/// What was handed on.
struct RestoreSummary {
  StreamCounts counts;
  std::string machine;
  std::optional<std::array<std::byte, 16>> uuid;  ///< the guest's; most streams do not have it
  std::string run_state;  ///< QEMU's own word, such as "running"; empty without a monitor
  bool rebuilt = false;   ///< a postcopy stream was handed on as a plain one
  /// The description was damaged, and has been left out.
  bool without_description = false;
  double total_seconds = 0;
};

/// How much passes before the source has ended well, and whether disks may be written.
struct GuardOptions {
  HoldBack hold_back = HoldBack::AllButMemory;
  /// Sections that overwrite the disks of the receiving QEMU (`migrate -b`) are handed on. Without
  /// it a stream that holds contents of disks is Errc::Refused.
  bool write_disks = false;
  /// A stream that is whole but for its description, which no QEMU loads, is handed on without it.
  /// Not one without footers: there only the description tells where its devices end.
  bool accept_damaged_description = false;
};

/// Moves a plain stream into `sink` so that a cut or damaged one cannot become a running guest:
/// only what has been recognised is handed on, before the end no more than GuardOptions let, and
/// the EOF record and all behind it only after the source has proved whole. Errc::Unsupported for a
/// mapped-ram stream, which has to pass make_unmapped_source() first, and for commands that no
/// state file needs; Errc::Truncated for a postcopy stream whose pages did not all come; the first
/// place where a stream contradicts itself is Errc::Malformed, at its end. Bytes behind the
/// stream's end are dropped with a warning. Finishes `sink`.
Result<RestoreSummary> restore_stream(ByteSource& plain, ByteSink& sink,
                                      RestoreObserver* observer = nullptr,
                                      GuardOptions options = {});

/// How a guest is brought back.
struct RestoreOptions {
  RunState run_state = RunState::AsSaved;
  /// QEMU was started to run a guest that was saved running. It is told not to, and the guest is
  /// started only once the whole stream has proved well: a file that deceives the guard still runs
  /// nothing. RunState::Running does likewise, whatever is said here.
  bool start_last = false;
  WaitLimits limits = {};
  GuardOptions guard = {};
};

/// Whether QEMU starts nothing after the load, be it that the guest is started later.
inline bool starts_nothing(const RestoreOptions& options) {
  return options.start_last || options.run_state != RunState::AsSaved;
}

/// Disks that this command names by a relative name, which a QEMU with -daemonize, that works in /,
/// does not find when it opens them for a loaded guest. None for a QEMU without -daemonize.
std::vector<std::string> misnamed_disks(const std::vector<std::string>& argv);

/// Whether QEMU, started by this command, runs a guest that was saved running: it has no -S.
bool starts_guest(const std::vector<std::string>& argv);

/// Feeds a QEMU that was started with `-incoming defer`, waits until it says completed, then sets
/// the run state. Fails before anything is sent if that QEMU does not wait for a stream.
///
/// A source that fails before it has given a stream's first bytes leaves QEMU waiting as it was;
/// one that fails later ends that QEMU, which never runs the guest. The source's error is the one
/// returned. `qmp` keeps the limits of `options`.
Result<RestoreSummary> restore_guest(ByteSource& plain, QmpClient& qmp, RestoreOptions options,
                                     RestoreObserver* observer = nullptr);

/// What a QEMU gets besides its command line.
struct QemuSetup {
  /// Descriptors of this process, under the same numbers. All others are closed for it.
  std::vector<int> kept_fds = {};
  /// Told where nothing has answered for some seconds: a script in place of QEMU may drop what is
  /// added to its arguments.
  OnLongWait on_long_wait = {};
};

/// A QEMU that this process started to receive a guest. The destructor ends it (by pid) unless it
/// was released; release() leaves it running.
class QemuProcess {
 public:
  /// Starts `argv` with `-incoming defer` and a private monitor added. Its stdin, stdout and stderr
  /// are this process's own. Fails if `argv` has an -incoming of its own. A QEMU with -daemonize
  /// goes on behind the process started here: wait() does not wait for it, and the destructor asks
  /// it to quit through the monitor.
  static Result<QemuProcess> start(std::vector<std::string> argv, WaitLimits limits = {},
                                   const QemuSetup& setup = {});
  QemuProcess(QemuProcess&&) noexcept;
  ~QemuProcess();

  QmpClient& qmp();
  int pid() const;
  /// Closes the private monitor and waits for the process's end; its exit status, or 128 + signal.
  /// `meanwhile` is called several times a second.
  Result<int> wait(const std::function<void()>& meanwhile = {});
  /// SIGKILL: it ends wherever it hangs. One with -daemonize is out of reach.
  void kill();
  void release();

 private:
  struct State;
  explicit QemuProcess(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A snapshot that is to be made of a guest after its restore, in one of its disks. The QEMU that
/// has the guest makes it: it holds the image's locks and has the disks that the guest goes with,
/// and each step that it takes leaves an image that is whole.
class ImageTarget {
 public:
  /// Before the restore; changes nothing. `image` must be a qcow2 image that this QEMU has open as
  /// a disk of the guest, `name` none of its snapshots': Errc::Usage, Errc::Refused. A QEMU before
  /// 6.0 is Errc::Unsupported. Every other disk that the guest may write becomes part of the
  /// snapshot; where one knows no snapshots QEMU says so, in save().
  static Result<ImageTarget> find(QmpClient& qmp, const std::string& image,
                                  const std::string& name);

  /// Makes it, of a guest that stands still, and waits for its end. Where a limit strikes first the
  /// job goes on as long as QEMU does; if that ends, there is no such snapshot.
  Status save(QmpClient& qmp, const WaitLimits& limits = {}) const;

 private:
  ImageTarget() = default;

  std::string name_;
  std::string state_node_;
  std::vector<std::string> nodes_;
};

/// Sets the system clock of a running guest through the QEMU guest agent, a program in the guest,
/// and by it the guest's RTC, to the time of this machine. `agent` is the socket of the character
/// device behind "org.qemu.guest_agent.0". The guest is not trusted: what it answers is bounded,
/// and waited for no longer than ten seconds.
Status set_guest_clock(const QmpAddress& agent, WaitLimits limits = {});

/// The QMP commands and the shell recipe of a restore, as text. `input` is what vmrestore is told
/// of the file, as a shell takes it; `address` may be null.
std::string explain_restore(const std::string& input, const QmpAddress* address,
                            const RestoreOptions& options);

}  // namespace vmstream
