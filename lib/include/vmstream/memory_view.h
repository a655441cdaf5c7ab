// SPDX-License-Identifier: MIT
// A guest's memory as files that a QEMU maps, private to itself, in place of loading it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/result.h>

namespace vmstream {

/// Whether this library was built with FUSE, which MemoryView::open() needs.
bool has_memory_views();

/// How a view is opened.
struct MemoryViewOptions {
  /// By which others find the view, such as identify_file() gives; empty: nobody joins it.
  std::string identity = {};
  unsigned threads = 0;  ///< that decode; 0: one a core, at most MemoryView::kMostThreads
  WaitLimits limits = {};
};

/// What tells a file from others, and from itself after a change: device, inode, length and times.
/// Errc::Environment where nothing is there.
Result<std::string> identify_file(const std::string& path);

/// What has been read of a view, by all of its guests together.
struct ViewCounts {
  uint64_t reads = 0;  ///< questions of the kernel
  uint64_t bytes = 0;  ///< that it was given
};

/// A page that the file does not give. Whoever needs it waits for ever: no guest goes on with wrong
/// memory.
struct LostPage {
  std::string block;    ///< not escaped
  uint64_t offset = 0;  ///< bytes from the block's begin
  Error error;          ///< with the place in the stream or file where that is known
  bool is_old = false;  ///< found before this view was joined
};

/// The RAM blocks of a state file, each under a path that a QEMU which this process starts can
/// open. Used by one thread at a time.
///
/// A view is a file system of its own without a place in the tree, served by a process of its own.
/// It reads the state file where a page is first needed; the kernel keeps what was read, once for
/// all who have the view. It refuses to be written, cut and punched. The process ends when nobody
/// has one of its files open or mapped, nor a MemoryView of it; it outlives the process that
/// started it. If it is killed, a guest that needs a page which the kernel does not keep ends by
/// SIGBUS.
///
/// A copy is memory of the system (memfd), filled before and sealed against every change. It goes
/// with the last who has it open.
class MemoryView {
 public:
  static constexpr unsigned kMostThreads = 8;
  /// Blocks behind the first so many have no path.
  static constexpr size_t kMostBlocks = 250;

  /// Joins the view that this user has of the same file, or starts one. Errc::Unsupported where
  /// there is no FUSE, with what to do. Not in a process that has other threads at the time.
  /// Memory of the process that serves: the index, and 17 MiB for each of its threads.
  static Result<MemoryView> open(const LazyFile& file, const MemoryViewOptions& options = {});

  /// Reads all of the memory into a copy. `on_progress` is told bytes done.
  static Result<MemoryView> copy(const LazyFile& file, const MemoryViewOptions& options = {},
                                 const std::function<void(uint64_t bytes)>& on_progress = {});

  MemoryView(MemoryView&&) noexcept;
  MemoryView& operator=(MemoryView&&) noexcept;
  ~MemoryView();

  /// "/proc/self/fd/7": for a process that was given descriptors(), which all are, under the same
  /// numbers. Empty for a block that there is not.
  std::optional<std::string> path_of(std::string_view block) const;
  std::vector<int> descriptors() const;

  bool is_copy() const;
  /// Whether others had the view before.
  bool is_joined() const;
  /// The process that serves it; 0 for a copy.
  int server_pid() const;

  /// Pages lost since the last call. An error where the view has ended: the memory that the guest
  /// has not read yet is gone. Does not wait.
  Result<std::vector<LostPage>> lost_pages();
  /// Of a copy, nothing.
  Result<ViewCounts> counts(const WaitLimits& limits = {});

 private:
  struct State;
  explicit MemoryView(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
