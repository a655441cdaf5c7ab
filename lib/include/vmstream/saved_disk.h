// SPDX-License-Identifier: MIT
// Disks that belong to a saved state: by snapshots that were taken in the same pause.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vmstream {

/// A disk that was snapshotted when the guest was saved. Texts are QEMU's and not escaped.
///
/// `base` is the disk as it was then, and belongs to the state file as long as nobody writes to it:
/// the guest that was saved goes on in `overlay`, a qcow2 file that holds what it has written
/// since.
struct SavedDisk {
  std::string device;        ///< the drive's name, its device's id, or the name of its node
  std::string base;          ///< the file, or in QEMU's notation whatever else it is on
  std::string base_format;   ///< such as "qcow2", "raw"
  std::string base_node;     ///< QEMU's name of it
  std::string overlay;       ///< an absolute path
  std::string overlay_node;  ///< QEMU's name of it
  bool operator==(const SavedDisk&) const = default;
};

/// A drive of which no snapshot was taken.
struct LeftOutDisk {
  std::string device;
  std::string reason;  ///< "read-only", "no medium"
  bool operator==(const LeftOutDisk&) const = default;
};

/// The shell command that brings back the guest of `state_file` with these disks, once the QEMU
/// that was saved has ended. What it cannot know, QEMU's other arguments, is "...".
std::string command_to_go_back(const std::vector<SavedDisk>& disks, std::string_view state_file);

}  // namespace vmstream
