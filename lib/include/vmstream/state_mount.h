// SPDX-License-Identifier: MIT
// A state file as a folder: memory, stream and descriptions as files that any program opens.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/memory_image.h>
#include <vmstream/physical_map.h>
#include <vmstream/result.h>
#include <vmstream/state_file.h>

namespace vmstream {

/// A file whose content the caller has made.
struct MountedText {
  std::string name;  ///< without '/', safe to show
  std::string content;
};

/// What is mounted, where, and for how long.
struct StateMountOptions {
  std::string folder;  ///< exists, and is empty
  std::vector<MountedText> texts = {};
  /// Of `physical` and `core`: registers (without any there is no `core`), the note's address,
  /// firmware. The form does not count.
  MemoryImageOptions image = {};
  /// End the mount; a request to stop is its ordinary end.
  WaitLimits limits = {};
  /// How long nobody may have a file open or ask for one until the mount ends. Default: for ever.
  std::optional<std::chrono::milliseconds> idle = std::nullopt;
  /// Everything is there.
  std::function<void()> on_ready = {};
  /// A file, or several, that cannot be there, and why.
  std::function<void(const std::string& path, const Error& error)> on_left_out = {};
  /// Bytes that could not be read: whoever read the file at `path` got EIO. At most
  /// kMostToldFaults times.
  std::function<void(const std::string& path, const Error& error)> on_fault = {};
};
constexpr size_t kMostToldFaults = 20;

/// What ended a mount.
enum class MountEnd {
  Unmounted,  ///< somebody took it away
  Idle,
  Stopped,  ///< by StateMountOptions::image.limits
};
std::string_view name_of(MountEnd end);  ///< "unmounted", "idle", "stopped"

/// Whether this library was built with FUSE.
bool can_mount_states();

/// Mounts and serves until the end, on the caller's thread and others; calls back on the caller's
/// only. The mount is gone when it returns. In the folder are `ram/` with a file for each RAM block
/// (escaped names), `physical`, `core`, `stream`, and the texts; all of them are read-only and open
/// to this user alone. What is not read is not made: only the head of `core` is, before the mount;
/// without a note at its address all of the memory is searched for one.
///
/// `file` is one that StateFile::ram() opens at once; each thread opens it again. Memory: see
/// PieceReader, and 1 MiB, for each thread.
///
/// Errc::Unsupported where the library or the system has no FUSE, Errc::Usage for a folder that is
/// none, or not empty.
Result<MountEnd> serve_state_mount(StateFile& file, const PhysicalMap& map,
                                   const StateMountOptions& options);

}  // namespace vmstream
