// SPDX-License-Identifier: MIT
// What is asked of libvirt. Each call waits for the daemon, however long that takes, and the daemon
// may wait for the domain's dump to be read: so whoever reads it makes them apart (call_apart.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/libvirt.h>

namespace vmstream {

/// Whether a domain runs.
struct DomainState {
  bool active = false;   ///< it has a process
  bool running = false;  ///< and does not stand still
  std::string words;     ///< "running", "paused"
};

/// What libvirt does with a domain, or did last.
struct DomainJob {
  bool under_way = false;
  uint64_t bytes_left = 0;
  uint64_t iteration = 0;
  uint64_t page_bytes = 0;
  uint64_t dirty_pages_per_second = 0;
  uint64_t bytes_per_second = 0;
  // Of pages that were sent; nullopt where libvirt does not tell.
  std::optional<uint64_t> normal_pages = std::nullopt;
  std::optional<uint64_t> constant_pages = std::nullopt;
};

enum class JobWhen { Now, Completed };

/// A domain on this machine, used by any number of threads at a time. Messages of errors are
/// libvirt's own, escaped.
class RunningDomain {
 public:
  virtual ~RunningDomain() = default;

  /// "9.0.0", the daemon's.
  virtual std::string daemon_version() = 0;
  /// "7.2.22" of the emulator that the daemon finds by itself; empty where it does not tell.
  virtual std::string qemu_version() = 0;

  virtual Result<DomainState> state() = 0;
  virtual Result<DomainJob> job(JobWhen when) = 0;
  /// Paths of its disks on this machine.
  virtual Result<std::vector<std::string>> disks() = 0;
  /// Its description as a save image has it; with passwords only if asked for, and in some releases
  /// (9.0) with them all the same.
  virtual Result<std::string> description(bool with_secrets) = 0;

  /// Writes its state to `path`; returns when all has been read. The domain stands still unless
  /// `live`; it then goes on as it was.
  virtual Status dump(const std::string& path, bool live) = 0;
  /// Has whatever job there is fail.
  virtual Status abort_job() = 0;
  virtual Status suspend() = 0;
  virtual Status resume() = 0;
  /// Ends its process at once.
  virtual Status destroy() = 0;
};

/// Connects and looks the domain up. Errc::Unsupported for one on another machine.
Result<std::shared_ptr<RunningDomain>> open_domain(const DomainAddress& address);

/// Whether a domain runs once it is restored.
enum class RestoredState { AsSaved, Running, Paused };
/// Starts a domain from a save image.
Status restore_save_image(const std::string& uri, const std::string& path, RestoredState state);

}  // namespace vmstream
