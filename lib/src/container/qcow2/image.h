// SPDX-License-Identifier: MIT
// A qcow2 image as far as the states of guests in it are concerned: its header and its table of
// snapshots. docs/containers.md gives the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/image_snapshot.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// How clusters are compressed, where they are.
enum class ClusterCompression { Deflate, Zstd };

/// What the header says.
struct Qcow2Header {
  uint32_t version = 0;
  unsigned cluster_bits = 0;
  bool extended_l2 = false;  ///< an entry of an L2 table is of 32 parts of a cluster
  ClusterCompression compression = ClusterCompression::Deflate;
  bool dirty = false;       ///< not closed as it should have been
  bool corrupt = false;     ///< a QEMU has found that its tables contradict each other
  uint64_t disk_bytes = 0;  ///< of the disk as it is now
  uint32_t snapshot_count = 0;
  uint64_t snapshots_offset = 0;

  uint64_t cluster_bytes() const { return uint64_t{1} << cluster_bits; }
  uint64_t entry_bytes() const { return extended_l2 ? 16 : 8; }  ///< in an L2 table
  uint64_t table_entries() const { return cluster_bytes() / entry_bytes(); }
  /// Of the image's addresses that one L2 table is for.
  uint64_t table_covers() const { return cluster_bytes() * table_entries(); }
};

/// An entry of the snapshot table.
struct Qcow2Snapshot {
  ImageSnapshot facts;
  uint64_t l1_offset = 0;
  uint32_t l1_entries = 0;
  bool low_bits_only = false;  ///< facts.state_bytes is what 32 bits hold of it
};

/// A name for a message: escaped, and cut where it is longer than QEMU gives them. An image may
/// have names of 64 KiB.
std::string shortened(std::string_view text);

/// Header and snapshots, read once. A plain value.
class Qcow2Image {
 public:
  /// Whether `head` begins such an image, of any version.
  static bool recognise(std::span<const std::byte> head);

  /// Errc::Unsupported, with a hint what to do, for what cannot be read: later versions, features
  /// that are not known, encryption, data in another file. Errors have their place in the file.
  static Result<Qcow2Image> read(RandomSource& file);

  const Qcow2Header& header() const { return header_; }
  const std::vector<Qcow2Snapshot>& snapshots() const { return snapshots_; }
  /// Why the table was not read to its end; the snapshots before that place are there.
  const std::optional<Error>& fault() const { return fault_; }

  /// The snapshot with this name, or else with this id, or without either the only one that holds
  /// a state. Errc::Usage, with those that could be meant, where that is none or several.
  Result<const Qcow2Snapshot*> find(const std::optional<std::string>& name) const;

 private:
  Result<const Qcow2Snapshot*> find_named(const std::string& name) const;
  Result<const Qcow2Snapshot*> find_only() const;

  Qcow2Header header_;
  std::vector<Qcow2Snapshot> snapshots_;
  std::optional<Error> fault_;
};

}  // namespace vmstream
