// SPDX-License-Identifier: MIT
// A state file on a disk, whose plain stream can be read at any place.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/state_file.h>

namespace vmstream {

/// An open state file, for questions that need a part of it only.
struct SeekableState {
  std::vector<Container> containers;
  std::unique_ptr<RandomSource> file;      ///< the bytes on the disk
  std::unique_ptr<RandomSource> unpacked;  ///< of a compressed file: what it holds; uses `file`

  /// The stream from its first byte, decoded and checked where it is read.
  RandomSource& plain() const { return unpacked ? *unpacked : *file; }
};

/// Opens the file at `path` where its form allows reading by position: plain streams, and
/// compressed ones whose blocks can be found without decoding them, in regular files and block
/// devices. Empty for every other, which open_state() reads from front to end. What is wrong with
/// the table of blocks that a file carries is not told here: it is then not used.
///
/// Memory: 16 MiB of decoded blocks, and 24 bytes for each block of the file.
std::optional<SeekableState> open_seekable_state(const std::string& path);

}  // namespace vmstream
