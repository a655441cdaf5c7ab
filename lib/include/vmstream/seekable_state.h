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
  std::unique_ptr<RandomSource> plain;  ///< the stream, decoded and checked where it is read
};

/// Opens the file at `path` where its form allows reading by position: plain streams in regular
/// files and block devices, at their start or further in as open_state() finds them. Empty for
/// every other, which open_state() reads from front to end.
std::optional<SeekableState> open_seekable_state(const std::string& path);

}  // namespace vmstream
