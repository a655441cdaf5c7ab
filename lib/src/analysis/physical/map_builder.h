// SPDX-License-Identifier: MIT
// A map of physical memory in the making.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vmstream/physical_map.h>
#include "analysis/physical/memory_facts.h"
#include "analysis/physical/range_layers.h"

namespace vmstream {

struct MapBuilder {
  const MemoryFacts& facts;
  RangeLayers layers = {};
  std::vector<std::string> placed = {};  ///< blocks that have a place, or need none
  std::vector<std::string> notes = {};

  bool has_place(std::string_view block) const;
  /// Blocks that may be memory of the guest: no place yet, no firmware, not a device's own. In the
  /// order of the list.
  std::vector<MemoryBlock> candidates() const;
  /// A part of a block; the block counts as placed.
  Status put(const MemoryBlock& block, uint64_t offset, uint64_t length, uint64_t address,
             MemoryKind kind, PlaceProof proof);
};

/// The map by all rules; what `placed` says goes before them. Errors as of PhysicalMap::make().
Result<PhysicalMap> map_memory(const MemoryFacts& facts, const std::vector<PlacedBlock>& placed);

/// Bytes of blocks; stops at the largest number.
uint64_t sum_of(const std::vector<MemoryBlock>& blocks);

/// Whether a block is firmware, flash or a blob of its configuration, by its name.
bool is_firmware(std::string_view block);

/// Main memory, shadows and firmware of a PC. False where the stream is of no PC.
Result<bool> place_pc(MapBuilder& map);
/// The same of a board whose rule is in the table.
Result<bool> place_board(MapBuilder& map);
/// Memory that devices plugged in: virtio-mem and NVDIMMs.
Status place_modules(MapBuilder& map);

}  // namespace vmstream
