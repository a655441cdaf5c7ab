// SPDX-License-Identifier: MIT
// How much of a PC's memory is below 4 GiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <vmstream/physical_map.h>
#include "analysis/physical/memory_facts.h"

namespace vmstream {

struct PcSplit {
  uint64_t below = 0;  ///< bytes from address 0 on
  uint64_t above = 0;  ///< bytes behind the hole
  PlaceProof proof = PlaceProof::Table;
};

/// What the memory of the RTC says: firmware asks it how much there is.
struct CmosMemory {
  uint64_t below = 0;
  uint64_t above = 0;  ///< modulo 1 TiB
};
CmosMemory read_cmos_memory(const std::array<std::byte, 128>& cmos);

/// The rule of the machine type, for a guest without options that move the hole.
uint64_t usual_below(std::string_view machine, std::optional<HostBridge> bridge, uint64_t total);

/// Of a machine with so many bytes of main memory.
PcSplit split_pc(const MemoryFacts& facts, uint64_t total);

}  // namespace vmstream
