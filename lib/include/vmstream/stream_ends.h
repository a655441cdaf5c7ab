// SPDX-License-Identifier: MIT
// The two ends of a plain stream in a seekable file, found without reading the RAM between them.
#pragma once

#include <cstdint>
#include <optional>

namespace vmstream {

/// Where the slices of RAM can be left out so that what remains is still a well-formed stream. Each
/// place has been checked against the stream's own framing: the description's sizes lead from EOF
/// backwards from one device section's head to the next, and behind the end of a slice they stop.
struct StreamEnds {
  uint64_t head_length = 0;  ///< header, configuration, START sections
  uint64_t tail_offset = 0;  ///< of the first device section; EOF and vmdesc follow the last
  uint64_t length = 0;       ///< of the stream, which is all of the file
};

/// Reads a few pages at the front, and the description and the heads of the device sections at the
/// back, of the file behind `borrowed_fd`, whose position stays. Empty where anything is not as
/// described above (compressed, damaged, older than the vmdesc, padded, device sections between
/// the slices): then the stream must be read as a whole.
std::optional<StreamEnds> find_stream_ends(int borrowed_fd);

}  // namespace vmstream
