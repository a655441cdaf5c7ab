// SPDX-License-Identifier: MIT
// Files that are read through this process: a FUSE file system without a place in the tree.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// A question of the kernel for bytes of a file. May be answered by any thread, once. Until then
/// whoever asks waits, and cannot even be killed.
class PageRequest {
 public:
  size_t file = 0;      ///< as given to PageFiles::mount()
  uint64_t offset = 0;  ///< a multiple of the host's page
  size_t length = 0;    ///< past the file's end too
  pid_t asker = 0;      ///< the thread that waits; 0 where that is not known

  void answer(std::span<const std::byte> bytes) const;
  /// Of these pages the kernel asks again one by one, as they are needed.
  void refuse() const;

 private:
  friend class PageFiles;
  void* request_ = nullptr;
};

/// Read-only files of known lengths that accept being opened for writing and refuse to be written.
/// What was read of them stays in the kernel's page cache.
class PageFiles {
 public:
  /// Whether this library can.
  static bool are_available();

  struct Setup {
    std::vector<uint64_t> lengths;                         ///< of the files
    std::function<void(const PageRequest&)> on_request;    ///< on the serving thread
    std::function<void(uint64_t handles)> on_use = {};     ///< likewise: how many opens are open
  };
  /// Mounts, opens each file once, detaches, and serves on a thread of its own from then on.
  static Result<PageFiles> mount(Setup setup);
  PageFiles(PageFiles&&) noexcept;
  ~PageFiles();

  /// Of each file, open for reading and writing; owned by this.
  const std::vector<int>& descriptors() const;

 private:
  struct State;
  explicit PageFiles(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
