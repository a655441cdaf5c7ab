// SPDX-License-Identifier: MIT
// The iterable sections other than ram whose own marks end them.
#pragma once

#include <cstdint>

#include <vmstream/format.h>
#include "base/byte_reader.h"

namespace vmstream {

/// What one record of such a body tells of the bytes behind it.
struct BodyRecord {
  uint64_t payload_bytes = 0;  ///< that follow the record and hold no structure
  bool last = false;           ///< the body ends behind them
  bool opaque = false;         ///< the rest of the body has no marks: find its footer
};

/// Reads the record of a body that `in` stands at. `first` is true at the start of the body.
using RecordReader = BodyRecord (*)(ByteReader& in, SectionType section, bool first);

/// The reader for a section's records; null when the format is not known.
RecordReader find_record_reader(std::string_view idstr);

}  // namespace vmstream
