// SPDX-License-Identifier: MIT
// The state of a guest that lies in a qcow2 image.
#pragma once

#include <memory>

#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include "container/qcow2/image.h"

namespace vmstream {

/// All that is needed to read a state. A plain value.
struct LocatedState {
  Qcow2Header header;
  Qcow2Snapshot snapshot;  ///< whose facts.state_bytes are right
  uint64_t begin = 0;      ///< among the image's addresses
};

/// Errc::Malformed or Errc::Truncated where the snapshot's sizes do not fit its L1 table. Where the
/// image has 32 bits of the state's length only, that becomes as many multiples of 4 GiB longer as
/// there are clusters for.
Result<LocatedState> locate_state(RandomSource& file, const Qcow2Header& header,
                                  const Qcow2Snapshot& snapshot);

/// The bytes of a state in `file`, the one that it was located in, by position. Errors have their
/// place in the file where it is the image that is damaged.
///
/// Memory: 8 KiB of tables; where clusters are compressed, the last of them and the decompressor's
/// state, below 16 MiB.
std::unique_ptr<RandomSource> make_snapshot_source(std::unique_ptr<RandomSource> file,
                                                   LocatedState state);

}  // namespace vmstream
