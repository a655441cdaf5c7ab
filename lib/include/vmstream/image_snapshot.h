// SPDX-License-Identifier: MIT
// What a disk image says of a snapshot that it holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// An internal snapshot of a qcow2 image, as its table has it. Texts are not escaped.
struct ImageSnapshot {
  std::string id;    ///< given by QEMU: "1", "2", …
  std::string name;  ///< given by people, and not always by one snapshot alone
  int64_t date = 0;  ///< when it was made, by the host's clock: seconds since 1970
  uint32_t date_nanoseconds = 0;
  uint64_t clock_nanoseconds = 0;  ///< how long the guest had run
  /// Length of the guest's state; 0 where the snapshot is of the disk alone. Releases before 1.1
  /// keep the lowest 32 bits of it, and Container::snapshot has what is found to be right then.
  uint64_t state_bytes = 0;
  /// Of the disk at that time; empty in images of releases before 1.1.
  std::optional<uint64_t> disk_bytes = std::nullopt;

  bool holds_state() const { return state_bytes > 0; }
};

/// The snapshots of an image, in the order of its table.
struct ImageSnapshots {
  std::vector<ImageSnapshot> list;
  /// Why that was not read to its end; its place is one in the file.
  std::optional<Error> fault = std::nullopt;
};

}  // namespace vmstream
