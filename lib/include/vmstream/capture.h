// SPDX-License-Identifier: MIT
// Saving a guest: from a running QEMU, or from a stream that arrives by itself, into a sink.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/libvirt.h>
#include <vmstream/output_file.h>
#include <vmstream/qmp.h>
#include <vmstream/result.h>
#include <vmstream/state_index.h>
#include <vmstream/stream_statistics.h>

namespace vmstream {

/// How a save came to its end.
enum class EndedBy {
  Stopped,     ///< the guest stood still from the start
  DirtyPages,  ///< few enough pages were left
  Stalls,      ///< passes sent fewer pages than the guest dirtied meanwhile
  Passes,      ///< as many passes as were allowed
  Downtime,    ///< QEMU itself: the rest fitted into its downtime limit
  Size,        ///< the file would have become too large
  Background,  ///< the state as of the start, written while the guest ran on
};
/// "stopped", "dirty-pages", "stalls", "passes", "downtime", "size", "background": the words of
/// JSON.
std::string_view name_of(EndedBy how);

/// One pass over RAM.
struct CapturePass {
  uint64_t pages = 0;    ///< page records sent
  uint64_t bytes = 0;    ///< of the stream, taken by them
  double seconds = 0;    ///< wall clock
  uint64_t dirtied = 0;  ///< pages that the guest dirtied meanwhile; 0 if it stood still
  uint64_t left = 0;     ///< pages to be sent when it ended: those, and what it had not come to
};

/// The limits of a live save. The first that is reached ends it.
struct ConvergenceRules {
  uint64_t dirty_pages = 50;  ///< so many pages left, or fewer
  uint32_t stalls = 2;        ///< so many passes that sent fewer pages than were dirtied
  uint32_t passes = 30;       ///< so many passes in all

  /// "dirty-pages=50,stalls=2,passes=30"; what is left out keeps its default.
  static Result<ConvergenceRules> parse(std::string_view text);
};

/// Applies the rules pass by pass. A value without ties to any QEMU.
class Convergence {
 public:
  explicit Convergence(ConvergenceRules rules) : rules_(rules) {}

  /// The rule that ends the save after this pass, if one does. One that sent nothing is none of
  /// those that are counted.
  std::optional<EndedBy> after(const CapturePass& pass);

 private:
  ConvergenceRules rules_;
  uint32_t passes_ = 0;
  uint32_t stalls_ = 0;
};

/// By how much a save missed converging, from its last pass that ran beside the guest.
struct Shortfall {
  double dirty_pages_per_second = 0;
  double sent_pages_per_second = 0;
  double pause_seconds = 0;  ///< that sending the rest takes at this rate
};
/// Empty for a pass too short to tell.
std::optional<Shortfall> measure_shortfall(const CapturePass& pass);

/// What the guest does while it is saved.
enum class CaptureMode {
  Stop,        ///< stands still
  Live,        ///< runs; stands still for the rest when the rules say so
  Background,  ///< runs, after a moment: what is saved is the state as of that moment (QEMU 6.0)
  Auto,        ///< Background where QEMU and its host can, else Live where that is safe, else Stop
};
/// "stop", "live", "background", "auto".
std::string_view name_of(CaptureMode mode);

/// What becomes of the guest after success.
enum class After {
  Keep,   ///< it goes on as it was found
  Pause,  ///< it stands still
  Quit,   ///< its QEMU is ended
};

/// How a live save stands, in QEMU's figures.
struct LiveProgress {
  uint64_t pass = 1;        ///< that is under way
  uint64_t pages_left = 0;  ///< of what was dirty when it began
  uint64_t bytes_left = 0;
  uint64_t page_bytes = 0;
  double dirty_pages_per_second = 0;
  double sent_pages_per_second = 0;
  uint64_t throttle_percent = 0;  ///< that is taken from the guest's processors
  bool converges = true;          ///< the last pass sent more pages than the guest dirtied
};

/// Told how far a capture has come; called from the capturing thread, several times a second.
class CaptureObserver {
 public:
  virtual ~CaptureObserver() = default;
  virtual void on_progress(const StreamCounts&) {}
  virtual void on_live(const LiveProgress&) {}
  /// The guest stands still from here on, or goes on.
  virtual void on_pause(bool /*stands_still*/) {}
  /// Something a person should know, although the capture goes on.
  virtual void on_warning(const std::string&) {}
};

/// How QEMU writes a file itself, each page into its own place.
struct MappedRamOptions {
  bool direct_io = false;  ///< pages go past the page cache (QEMU 9.1)
};

/// How a guest is saved, or a stream that arrives by itself.
struct CaptureOptions {
  CaptureMode mode = CaptureMode::Stop;
  After after = After::Keep;
  std::optional<uint64_t> max_bandwidth = std::nullopt;  ///< bytes a second; nullopt: unlimited

  // Live saves only.
  ConvergenceRules rules = {};
  /// QEMU ends the save by itself when the rest fits into this; nullopt: as QEMU is set to.
  std::optional<std::chrono::milliseconds> downtime_limit = std::nullopt;
  bool auto_converge = false;  ///< slow the guest's processors down until it converges
  /// Asked several times a second from the second pass on: whether the save must end now, and send
  /// the rest of so many bytes.
  std::function<bool(uint64_t bytes_left)> must_end = {};

  /// Where snapshots of the disks that the guest can write to are made, in the same pause; nullopt:
  /// the disks are left alone. A failure of either undoes both.
  std::optional<std::string> disk_folder = std::nullopt;

  /// For capture_mapped() only, which needs it.
  std::optional<MappedRamOptions> mapped_ram = std::nullopt;

  /// The file that the stream becomes; nullopt: none of this machine's. It is refused where it is a
  /// disk of the guest's (Errc::Refused).
  std::optional<std::string> output = std::nullopt;

  /// Of a domain of libvirt only: passwords stay in the description of it that the index gets.
  /// Without this they are replaced by empty ones, which let nobody in.
  bool with_secrets = false;
  /// Whether the output can be read by position later; else a mapped-ram stream, which could not be
  /// restored from it, is refused (Errc::Unsupported).
  bool by_position = true;

  bool digest = true;  ///< compute SHA-256 of the plain stream
  /// 1: the digest gets no thread of its own; 0: all cores. Where QEMU writes the file: how many of
  /// its threads do.
  size_t threads = 0;
  /// Given the index of the stream when all of it has been seen and found whole, before the sink is
  /// finished: what EncodeOptions::index asks for then. Empty: none is gathered.
  std::function<void(StateIndex)> index = {};
  WaitLimits limits = {};
};

/// What was saved. Times are wall-clock seconds.
struct CaptureSummary {
  CaptureMode mode = CaptureMode::Stop;  ///< never Auto
  std::string mode_reason;               ///< why Auto did not become Background; else empty
  EndedBy ended_by = EndedBy::Stopped;
  std::optional<Shortfall> shortfall;  ///< of a live save that had to be ended
  StreamCounts counts;
  std::string machine;
  std::string qemu_version;  ///< empty when no monitor was asked
  std::vector<CapturePass> passes;
  std::vector<SavedDisk> disks;  ///< that belong to the state; none unless asked for
  std::vector<LeftOutDisk> left_out_disks;
  /// Devices of disks that the guest, which was found running and goes on, can write to and that
  /// were not snapshotted: an observer is warned of them once.
  std::vector<std::string> disks_not_saved;
  double pause_seconds = 0;  ///< how long the guest stood still, by QEMU's events
  double total_seconds = 0;
  std::string sha256;  ///< of the plain stream; empty unless asked for
};

/// What has become of a guest whose save failed.
enum class GuestFate {
  Untouched,  ///< nothing was asked of it
  Running,    ///< as it was found
  Stopped,    ///< as it was found
  Unknown,    ///< it may not be as it was found
};
/// "untouched", "running", "stopped", "unknown".
std::string_view name_of(GuestFate fate);

/// The save, cut where the output must be made durable.
///
///   capture() -> make the output durable -> complete()
///
/// From construction to complete() the guest's run state, and every parameter and capability of
/// QEMU that was changed, is owed: the destructor cancels a migration under way and gives all of it
/// back, within a few seconds of its own even after the limits have struck. A guest that was found
/// stopped stays so; QEMU calls that "postmigrate" after a save and wants it to run once before the
/// next one.
class GuestCapture {
 public:
  /// Connects and looks; nothing of the guest changes. Fails if another migration runs.
  static Result<GuestCapture> open(const QmpAddress& address, const CaptureOptions& options,
                                   CaptureObserver* observer = nullptr);
  /// The same for a domain of libvirt, by what libvirt itself does: the domain is not tainted, and
  /// libvirt knows at any time what goes on. libvirt's dump has neither snapshots of disks nor
  /// background saves nor rules for the end of a live one; and it lets a domain that was saved live
  /// run again at once, so that only After::Keep can follow. All of these are Errc::Unsupported,
  /// and so are domains on other machines.
  static Result<GuestCapture> open(const DomainAddress& address, const CaptureOptions& options,
                                   CaptureObserver* observer = nullptr);
  GuestCapture(GuestCapture&&) noexcept;
  ~GuestCapture();

  /// All that a save does up to where it would touch the guest: the mode is tried, the disks are
  /// looked at, and whatever would have QEMU refuse. What QEMU was set to for this is put back. The
  /// summary tells mode, disks and QEMU.
  Result<CaptureSummary> rehearse();

  /// Moves the guest's whole stream into `sink` and finishes it. Success means: QEMU says
  /// completed, the stream parsed to its end, and sink.finish() succeeded. A guest that is to be
  /// kept running goes on as soon as QEMU has sent everything. One that is found stopped is saved
  /// as by Stop, whatever the mode. A mode that cannot be had is Errc::Unsupported, and nothing was
  /// changed.
  Result<CaptureSummary> capture(ByteSink& sink);

  /// The same, but QEMU writes the stream into `file` itself (capability mapped-ram, QEMU 9.0), a
  /// regular file that nothing has been written to. Read back afterwards: its framing always, all
  /// of it for the digest. The guest goes on before that. Errc::Unsupported, with nothing changed,
  /// where QEMU is older, by a TCP monitor, and for background saves, whose files of this kind QEMU
  /// leaves empty.
  Result<CaptureSummary> capture_mapped(OutputFile& file);

  /// After the output is durable: carries out CaptureOptions::after.
  Status complete();

  /// Why the guest could not be put back as it was found, if so: read after a failure.
  const std::optional<Error>& recovery_error() const;
  /// Cancels and gives back now instead of in the destructor.
  void abandon();
  /// Of a save that was abandoned.
  GuestFate fate() const;

  struct State;  ///< of the library alone

 private:
  explicit GuestCapture(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The same for a stream that arrives in `source`: moves, parses, counts, finishes the sink.
Result<CaptureSummary> capture_stream(ByteSource& source, ByteSink& sink,
                                      const CaptureOptions& options,
                                      CaptureObserver* observer = nullptr);

/// The QMP commands that a capture would issue and the shell recipe that comes nearest, as text.
/// `shell_command` is what would take the stream there, such as "gzip -6 -c > guest.gz".
std::string explain_capture(const QmpAddress& address, const CaptureOptions& options,
                            const std::string& shell_command);
/// The same of a domain: what libvirt is asked for.
std::string explain_capture(const DomainAddress& address, const CaptureOptions& options,
                            const std::string& shell_command);

}  // namespace vmstream
