// SPDX-License-Identifier: MIT
// What a POSTCOPY_RAM_DISCARD command takes back: pages that the source will send again.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

/// The command's content. QEMU's migration/savevm.c: a version of 0, the block's name with a zero
/// behind it, then a start and a length a range, in bytes.
struct RamDiscard {
  struct Range {
    uint64_t start = 0;
    uint64_t length = 0;
  };
  std::string_view block;  ///< views the command's payload
  std::vector<Range> ranges;
};
Result<RamDiscard> read_ram_discard(const Command& command);

}  // namespace vmstream
