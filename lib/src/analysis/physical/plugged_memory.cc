// SPDX-License-Identifier: MIT
// Memory that was plugged in, where the state tells its address: virtio-mem by its own section,
// NVDIMMs by the ACPI tables.
#include <algorithm>
#include <optional>

#include "analysis/physical/acpi_tables.h"
#include "analysis/physical/map_builder.h"

namespace vmstream {
namespace {

// The only block of that length that has no place yet.
std::optional<MemoryBlock> only_candidate(const MapBuilder& map, uint64_t bytes) {
  std::optional<MemoryBlock> only;
  for (const MemoryBlock& block : map.candidates()) {
    if (block.bytes != bytes) continue;
    if (only) return std::nullopt;
    only = block;
  }
  return only;
}

// By the device's own place in the name, or else by its length.
std::optional<MemoryBlock> memory_of(const MapBuilder& map, const VirtioMemory& device) {
  for (const MemoryBlock& block : map.facts.blocks) {
    bool is_own = !device.device.empty() && block.name.starts_with(device.device + "/");
    if (is_own && block.bytes == device.region_bytes) return block;
  }
  return only_candidate(map, device.region_bytes);
}

// Runs of blocks that are plugged in.
Status put_plugged(MapBuilder& map, const MemoryBlock& block, const VirtioMemory& device) {
  map.placed.push_back(block.name);
  size_t first = 0;
  const auto& plugged = device.plugged;
  while (first < plugged.size()) {
    size_t end = first;
    while (end < plugged.size() && plugged[end]) ++end;
    uint64_t offset = first * device.block_bytes;
    auto put = map.put(block, offset, (end - first) * device.block_bytes, device.address + offset,
                       MemoryKind::Ram, PlaceProof::Proved);
    if (!put) return put;
    first = end + 1;
  }
  return ok();
}

}  // namespace

Status place_modules(MapBuilder& map) {
  for (const VirtioMemory& device : map.facts.virtio_memory) {
    auto block = memory_of(map, device);
    if (!block) continue;
    if (auto put = put_plugged(map, *block, device); !put) return put;
  }
  for (const AddressRange& range : read_acpi_memory(map.facts.acpi_tables).nvdimms) {
    auto block = only_candidate(map, range.length);
    if (!block) continue;
    auto put = map.put(*block, 0, range.length, range.address, MemoryKind::Ram, PlaceProof::Proved);
    if (!put) return put;
  }
  return ok();
}

}  // namespace vmstream
