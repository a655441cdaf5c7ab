// SPDX-License-Identifier: MIT
// Where the bytes of a snapshot lie in its image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include "container/qcow2/image.h"

namespace vmstream {

/// Bytes that follow each other in a snapshot and come from one place.
struct ClusterRun {
  enum class Kind {
    Zeros,   ///< there are none in the file
    Plain,   ///< at `place` in the file
    Packed,  ///< in the compressed cluster that `place`, an entry of an L2 table, tells of
  };
  Kind kind = Kind::Zeros;
  uint64_t place = 0;
  uint64_t length = 0;
};

/// The compressed data of a cluster.
struct PackedCluster {
  uint64_t file_offset = 0;
  uint64_t length = 0;  ///< at most, up to the end of a sector
};
PackedCluster packed_cluster(const Qcow2Header& header, uint64_t entry);

/// Entries of a table in the file, read a few at a time.
class TableWindow {
 public:
  explicit TableWindow(RandomSource& file) : file_(file) {}
  /// The number at `file_offset`, a multiple of 8. Of an earlier call only what lies near it is
  /// kept: 4 KiB.
  Result<uint64_t> entry(uint64_t file_offset);

 private:
  RandomSource& file_;
  uint64_t begin_ = 0;
  std::vector<std::byte> bytes_;
};

/// Follows a snapshot's own L1 table and its L2 tables. Nothing in them is trusted: each place is
/// held against the form of the image and the end of the file.
class ClusterMap {
 public:
  /// `file` is borrowed.
  ClusterMap(RandomSource& file, const Qcow2Header& header, const Qcow2Snapshot& snapshot);
  /// Whether the L1 table lies in the file. Errors as of find().
  Status check() const;

  /// Addresses that the L1 table is for.
  uint64_t end() const { return l1_entries_ * header_.table_covers(); }
  /// What stands at `address`, below end(), and behind it: up to `wanted` bytes, at least one.
  /// Errc::Malformed or Errc::Truncated with the place in the file.
  Result<ClusterRun> find(uint64_t address, uint64_t wanted);

 private:
  Result<ClusterRun> find_one(uint64_t address);
  Result<ClusterRun> find_part(uint64_t cluster, uint64_t bitmap_offset, uint64_t address);
  Result<uint64_t> checked_cluster(uint64_t entry, uint64_t entry_offset) const;

  Qcow2Header header_;
  uint64_t l1_offset_;
  uint64_t l1_entries_;
  uint64_t file_bytes_;
  TableWindow l1_;
  TableWindow l2_;
};

}  // namespace vmstream
