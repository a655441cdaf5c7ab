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
  /// By what a QEMU is given the base as the guest had it: "-drive" or "-blockdev", a space, and
  /// its value, in which "..." is what could not be told. Empty in files of makers that do not say.
  std::string argument;
  /// When the base was last written to, once the guest had gone over to the overlay:
  /// "2026-11-21T03:55:00.123456789Z". Empty where that cannot be known.
  std::string base_time;
  bool operator==(const SavedDisk&) const = default;
};

/// A drive of which no snapshot was taken.
struct LeftOutDisk {
  std::string device;
  std::string reason;  ///< "read-only", "no medium"
  bool operator==(const LeftOutDisk&) const = default;
};

/// The file that a medium is on, below all layers: QEMU names those by the options that open them
/// where a name alone would not do. Empty where there is none.
std::string lowest_file(const std::string& medium);

/// When a base was last written to, as SavedDisk has it: of a regular file that can be looked at.
std::string time_of_base(const std::string& base);

/// Whether somebody has written to the base since the save, or put another file in its place.
bool has_changed(const SavedDisk& disk);

/// The shell command that brings back the guest of `state_file` with these disks, once the QEMU
/// that was saved has ended. What it cannot know, QEMU's other arguments and now and then a part of
/// a disk's, is "...". Each argument belongs where the guest's own for this disk stood.
std::string command_to_go_back(const std::vector<SavedDisk>& disks, std::string_view state_file);

/// Whether the command says of each disk how the guest had it.
bool is_known_how_to_go_back(const std::vector<SavedDisk>& disks);

}  // namespace vmstream
