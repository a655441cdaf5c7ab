// SPDX-License-Identifier: MIT
// The two ends of a plain stream, read without the RAM between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <vmstream/random_source.h>

namespace vmstream {

/// Bytes from the middle of a stream.
struct StreamPiece {
  uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

/// What is left of a stream when its slices of RAM are left out: still a well-formed stream. Of
/// mapped-ram, whose pages stand between the entries of the block list, what is around them.
///
/// The places of the cuts that read_stream_ends() makes have been checked against the stream's own
/// framing: the description's sizes lead from EOF backwards from one device section's head to the
/// next, and end behind a slice of an iterable section. What the pieces hold is for a parser to
/// judge, see scan_ends().
struct StreamEnds {
  /// The head (header, configuration, START sections, commands), then as the last the tail (device
  /// sections, EOF, vmdesc).
  std::vector<StreamPiece> pieces;

  uint64_t stream_bytes() const { return pieces.back().offset + pieces.back().bytes.size(); }
  uint64_t skipped_bytes() const;
};

/// Reads them, some hundred KiB as a rule and never more than about 100 MiB. Empty where the stream
/// is not as described above: damaged, padded, without a vmdesc, with page records or devices in
/// front of the first slice. Then it must be read as a whole.
std::optional<StreamEnds> read_stream_ends(RandomSource& plain);

}  // namespace vmstream
