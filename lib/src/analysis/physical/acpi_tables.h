// SPDX-License-Identifier: MIT
// What ACPI tables say of memory: NUMA nodes (SRAT) and NVDIMMs (NFIT).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vmstream {

struct NodeMemory {
  uint32_t node = 0;
  uint64_t address = 0;
  uint64_t length = 0;
};

struct AddressRange {
  uint64_t address = 0;
  uint64_t length = 0;
};

struct AcpiMemory {
  std::vector<NodeMemory> nodes;  ///< memory that is there, not what can be plugged in
  std::vector<AddressRange> nvdimms;
};

/// Of tables one behind the other, whatever stands between them. What is not well-formed is left
/// out.
AcpiMemory read_acpi_memory(std::span<const std::byte> tables);

}  // namespace vmstream
