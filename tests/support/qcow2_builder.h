// SPDX-License-Identifier: MIT
// qcow2 images with states in snapshots, written by what docs/containers.md says and without the
// library: no refcounts, which nobody asks for who reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace testing {

/// How clusters of a state are stored.
enum class ClusterForm { Plain, Deflate, Zstd };

struct Qcow2Snapshot {
  std::string id;
  std::string name;
  std::vector<std::byte> state;  ///< empty: of the disk alone
  uint64_t disk_bytes = 1 << 20;
};

struct Qcow2Image {
  uint32_t version = 3;
  unsigned cluster_bits = 9;
  bool extended_l2 = false;
  ClusterForm form = ClusterForm::Plain;
  /// Of a table entry: 0 has the lowest 32 bits of the state's length alone, 8 all of it, 16 the
  /// disk's size too.
  uint32_t extra_bytes = 24;
  uint64_t incompatible = 0;  ///< besides the bits that the above ask for
  std::vector<Qcow2Snapshot> snapshots;

  std::vector<std::byte> bytes() const;
};

/// Overwrites a big-endian number of `width` bytes.
void poke(std::vector<std::byte>& image, uint64_t offset, uint64_t value, size_t width);
/// Reads one.
uint64_t peek(const std::vector<std::byte>& image, uint64_t offset, size_t width);

}  // namespace testing
