// SPDX-License-Identifier: MIT
// The two ends of a plain stream, read without the RAM between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <vmstream/random_source.h>

namespace vmstream {

/// What is left of a stream when its slices of RAM are left out: still a well-formed stream.
///
/// The places of the cuts have been checked against the stream's own framing: the description's
/// sizes lead from EOF backwards from one device section's head to the next, and end behind a slice
/// of an iterable section. What the parts hold is for a parser to judge, see scan_ends().
struct StreamEnds {
  std::vector<std::byte> head;  ///< header, configuration, START sections, commands
  uint64_t tail_offset = 0;     ///< where the tail stands in the stream
  std::vector<std::byte> tail;  ///< device sections, EOF, vmdesc

  uint64_t stream_bytes() const { return tail_offset + tail.size(); }
  uint64_t skipped_bytes() const { return tail_offset - head.size(); }
};

/// Reads them, some hundred KiB as a rule and never more than about 100 MiB. Empty where the stream
/// is not as described above: damaged, padded, without a vmdesc, with pages or devices in front of
/// the first slice. Then it must be read as a whole.
std::optional<StreamEnds> read_stream_ends(RandomSource& plain);

}  // namespace vmstream
