// SPDX-License-Identifier: MIT
// Takes layer after layer off the bytes of a state file.
#pragma once

#include <memory>
#include <vector>

#include <vmstream/state_file.h>
#include "state/fault_places.h"

namespace vmstream {

/// A stream that has been unwrapped.
struct UnwrappedStream {
  std::vector<Container> containers;
  std::unique_ptr<ByteSource> plain;  ///< the stream from its first byte, decoded and checked
};

/// Unwraps `file` until the stream's magic appears, see StateFile::stream(). Of the options those
/// that tell of positions have no part in it. `outer`: layers that have been taken off already, and
/// `place`, where the bytes of `file` are in the file on the disk; null where they are that file.
Result<UnwrappedStream> unwrap(std::unique_ptr<ByteSource> file, const OpenOptions& options = {},
                               std::vector<Container> outer = {}, PlaceInFile place = nullptr);

}  // namespace vmstream
