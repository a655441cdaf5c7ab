// SPDX-License-Identifier: MIT
// Folders and files that are read through this process: a FUSE file system.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// A question of the kernel for bytes of a file. May be answered by any thread, once. Until then
/// whoever asks waits, and cannot even be killed.
class FuseRequest {
 public:
  size_t file = 0;      ///< its place among FuseTree::Setup::nodes
  uint64_t offset = 0;  ///< a multiple of the host's page
  size_t length = 0;    ///< past the file's end too
  pid_t asker = 0;      ///< the thread that waits; 0 where that is not known

  void answer(std::span<const std::byte> bytes) const;
  /// Of these pages the kernel asks again one by one, as they are needed.
  void refuse() const;

 private:
  friend class FuseTree;
  [[maybe_unused]] void* request_ = nullptr;  // where there is FUSE
};

/// Read-only files of known lengths, in folders. What was read of them stays in the kernel's page
/// cache. The only users of libfuse are this class and FuseRequest.
class FuseTree {
 public:
  /// Whether this library can.
  static bool is_available();

  static constexpr size_t kRoot = SIZE_MAX;
  struct Node {
    std::string name;
    size_t parent = kRoot;  ///< place of a folder that stands before this one
    bool is_folder = false;
    uint64_t length = 0;  ///< of a file; at most INT64_MAX
  };
  struct Setup {
    std::vector<Node> nodes;
    /// Whether the owner may open files for writing. Writing itself fails all the same.
    bool accepts_writers = false;
    /// Whether fusermount3, where it is there, takes the mount away if this process is killed.
    bool is_guarded = false;
    std::function<void(const FuseRequest&)> on_request;  ///< on the serving thread
    /// Likewise: how many opens of files are open.
    std::function<void(uint64_t handles)> on_use = {};
  };
  /// At a folder, which is given by its absolute path. Only this user can enter it.
  /// Errc::Unsupported where the system or the library cannot.
  static Result<FuseTree> mount(Setup setup, const std::string& folder);
  FuseTree(FuseTree&&) noexcept;
  FuseTree& operator=(FuseTree&&) noexcept;
  /// What has not been answered fails. The mount is to be taken away before.
  ~FuseTree();

  /// Readable when serve_one() has something to do; for poll().
  int descriptor() const;
  /// Serves one question of the kernel, and waits for it. False once the file system is gone.
  bool serve_one();
  /// Takes the mount away at once. Those who have a file open keep the file system; nobody finds it
  /// any more.
  Status detach() const;
  /// The same, but Errc::Environment if the file system is in use.
  Status unmount() const;

 private:
  struct State;
  explicit FuseTree(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
