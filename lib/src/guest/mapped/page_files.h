// SPDX-License-Identifier: MIT
// Files that are read through this process: a FUSE file system without a place in the tree.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <vmstream/result.h>
#include "io/fuse_tree.h"

namespace vmstream {

/// Its file is as given to PageFiles::mount().
using PageRequest = FuseRequest;

/// Read-only files of known lengths that accept being opened for writing and refuse to be written.
/// What was read of them stays in the kernel's page cache.
class PageFiles {
 public:
  /// Whether this library can.
  static bool are_available() { return FuseTree::is_available(); }

  struct Setup {
    std::vector<uint64_t> lengths;                       ///< of the files
    std::function<void(const PageRequest&)> on_request;  ///< on the serving thread
    std::function<void(uint64_t handles)> on_use = {};   ///< likewise: how many opens are open
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
