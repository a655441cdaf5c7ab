// SPDX-License-Identifier: MIT
// What a stream tells of where a guest's memory lies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_collector.h>
#include <vmstream/ram_image.h>

namespace vmstream {

/// A RAM block of the list.
struct MemoryBlock {
  std::string name;  ///< not escaped
  uint64_t bytes = 0;
};

/// A device that plugs in memory block by block.
struct VirtioMemory {
  std::string device;  ///< where it is plugged in, such as "0000:00:11.0"; may be empty
  uint64_t address = 0;
  uint64_t region_bytes = 0;
  uint64_t block_bytes = 0;
  std::vector<bool> plugged;  ///< of each block
};

/// Which of the two a PC has.
enum class HostBridge { I440fx, Q35 };

struct MemoryFacts {
  std::string machine = {};  ///< not escaped; empty where the stream does not tell
  std::vector<MemoryBlock> blocks = {};
  std::optional<std::array<std::byte, 128>> cmos = std::nullopt;
  std::optional<HostBridge> bridge = std::nullopt;
  /// Of the bridge: what of 0xc0000 to 0xfffff is read from memory.
  std::array<uint8_t, 7> shadow_registers{};
  std::vector<VirtioMemory> virtio_memory = {};
  std::vector<std::byte> acpi_tables = {};  ///< one behind the other; empty where not read

  const MemoryBlock* find(std::string_view name) const;
};

/// Whether a section is looked at.
bool is_memory_fact(const SectionHeader& header);

/// `image` may be null: then there are no ACPI tables.
Result<MemoryFacts> collect_memory_facts(const DeviceCollector& devices,
                                         const StreamSummary& summary, RamImage* image);

}  // namespace vmstream
