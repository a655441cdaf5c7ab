// SPDX-License-Identifier: MIT
#include "format/ram/ram_discard.h"

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "format/malformed.h"

namespace vmstream {

Result<RamDiscard> read_ram_discard(const Command& command) {
  ByteReader in(command.payload, command.offset);
  auto version = in.be<uint8_t>("discard version");
  RamDiscard discard;
  discard.block = in.counted_string("name of the discarded block");
  auto zero = in.be<uint8_t>("end of the block's name");
  if (in.ok() && (version != 0 || zero != 0)) {
    return malformed(command.offset, fmt::format("RAM_DISCARD of version {}, wanted 0", version));
  }
  while (in.ok() && in.remaining() > 0) {
    auto start = in.be<uint64_t>("start of the discarded range");
    auto length = in.be<uint64_t>("length of the discarded range");
    discard.ranges.push_back({start, length});
  }
  if (!in.ok()) return malformed(command.offset, "RAM_DISCARD: " + in.error().message);
  return discard;
}

}  // namespace vmstream
