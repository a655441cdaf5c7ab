// SPDX-License-Identifier: MIT
// How QEMU has laid out the RAM blocks of its guest, as its human monitor lists them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/qmp.h>

namespace vmstream {

/// A line of `info ramblock`.
struct PlacedBlock {
  std::string name;  ///< not escaped; empty for memory that no device has taken
  uint64_t offset = 0;
  uint64_t used_bytes = 0;
  bool operator==(const PlacedBlock&) const = default;
};

/// The lines of `text` that describe blocks.
std::vector<PlacedBlock> parse_ram_blocks(std::string_view text);

/// The first of `blocks` for which an emulating QEMU of 9.0 or later aborts in a live save: when it
/// finds the block dirty, it looks for all of it from offset 0 on instead of from where it stands,
/// in one block. Memory without a name is not migrated.
std::optional<PlacedBlock> find_fatal_block(const std::vector<PlacedBlock>& blocks);

/// Empty where QEMU does not tell.
std::vector<PlacedBlock> query_ram_blocks(QmpClient& qmp);

}  // namespace vmstream
