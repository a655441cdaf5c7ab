// SPDX-License-Identifier: MIT
// What stands in the folder of a mounted state file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <vmstream/state_mount.h>
#include "analysis/images/memory_pieces.h"
#include "analysis/mount/memory_file.h"
#include "io/fuse_tree.h"

namespace vmstream {

/// Where the content of a file comes from.
struct FromBlocks {
  MemoryLayout layout;  ///< addresses are those of MountedTree::blocks
};
struct FromMemory {
  MemoryLayout layout;  ///< addresses are those of the guest
};
struct FromStream {};
using Content = std::variant<std::monostate, FromBlocks, FromMemory, FromStream, std::string>;

/// The same for all threads, and does not change once it is made.
struct MountedTree {
  PhysicalMap map;     ///< of the guest
  PhysicalMap blocks;  ///< one RAM block behind the other
  std::vector<FuseTree::Node> nodes;
  std::vector<Content> contents;  ///< of each node; a folder has none

  /// A place in the mounted folder, for people.
  std::string path_of(size_t node) const;
};

/// `file` is borrowed for the call. What cannot be there is left out, and told.
Result<MountedTree> make_mounted_tree(StateFile& file, const PhysicalMap& map,
                                      const StateMountOptions& options);

/// A name from a stream as one of a file: escaped, without '/', never "." or "..", never too long.
std::string file_name_of(std::string_view name);

/// The files of a tree, for one thread. The tree is borrowed.
class MountedFiles {
 public:
  static Result<std::unique_ptr<MountedFiles>> open(StateFile& file, const MountedTree& tree);

  /// What there is of `length` bytes from the offset on: fewer at the end of the file. Valid until
  /// the next call.
  Result<std::span<const std::byte>> read(size_t node, uint64_t offset, size_t length);

 private:
  MountedFiles(std::shared_ptr<PieceReader> reader, const MountedTree& tree);
  Status add_sources();

  std::shared_ptr<PieceReader> reader_;
  const MountedTree& tree_;
  PhysicalMemory blocks_;
  std::vector<std::unique_ptr<RandomSource>> owned_;
  std::vector<RandomSource*> sources_;  // of each node; null for folders
  std::vector<std::byte> buffer_;
};

}  // namespace vmstream
