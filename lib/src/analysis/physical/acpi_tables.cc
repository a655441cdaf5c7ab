// SPDX-License-Identifier: MIT
#include "analysis/physical/acpi_tables.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/endian.h"

namespace vmstream {
namespace {

constexpr size_t kTableHeader = 36;
constexpr size_t kSratReserved = 12;
constexpr size_t kNfitReserved = 4;
constexpr unsigned kMemoryAffinity = 1;
constexpr size_t kMemoryAffinityBytes = 40;
constexpr uint32_t kEnabled = 1;
constexpr uint32_t kHotPluggable = 2;
constexpr uint32_t kNonVolatile = 4;
constexpr unsigned kSystemAddressRange = 0;
constexpr size_t kSystemAddressRangeBytes = 56;
constexpr size_t kMostEntries = 4096;

// The table, header included: found by its signature and a length that fits.
std::optional<std::span<const std::byte>> find_table(std::span<const std::byte> tables,
                                                     std::string_view signature) {
  std::string_view text(reinterpret_cast<const char*>(tables.data()), tables.size());
  for (size_t at = text.find(signature); at != std::string_view::npos;
       at = text.find(signature, at + 1)) {
    auto table = tables.subspan(at);
    if (table.size() < kTableHeader) return std::nullopt;
    uint32_t length = read_le32(table, 4);
    if (length >= kTableHeader && length <= table.size()) return table.first(length);
  }
  return std::nullopt;
}

void take_node(AcpiMemory& memory, std::span<const std::byte> entry) {
  uint32_t flags = read_le32(entry, 28);
  bool is_there = (flags & kEnabled) != 0 && (flags & (kHotPluggable | kNonVolatile)) == 0;
  NodeMemory node{read_le32(entry, 2), read_le64(entry, 8), read_le64(entry, 16)};
  if (is_there && node.length > 0) memory.nodes.push_back(node);
}

void take_nvdimm(AcpiMemory& memory, std::span<const std::byte> entry) {
  AddressRange range{read_le64(entry, 32), read_le64(entry, 40)};
  if (range.length > 0) memory.nvdimms.push_back(range);
}

void read_srat(AcpiMemory& memory, std::span<const std::byte> table) {
  auto rest = table.subspan(std::min(table.size(), kTableHeader + kSratReserved));
  while (rest.size() >= 2 && memory.nodes.size() < kMostEntries) {
    auto length = std::to_integer<size_t>(rest[1]);
    if (length < 2 || length > rest.size()) return;
    bool is_memory = std::to_integer<unsigned>(rest[0]) == kMemoryAffinity;
    if (is_memory && length >= kMemoryAffinityBytes) take_node(memory, rest.first(length));
    rest = rest.subspan(length);
  }
}

void read_nfit(AcpiMemory& memory, std::span<const std::byte> table) {
  auto rest = table.subspan(std::min(table.size(), kTableHeader + kNfitReserved));
  while (rest.size() >= 4 && memory.nvdimms.size() < kMostEntries) {
    size_t length = read_le16(rest, 2);
    if (length < 4 || length > rest.size()) return;
    bool is_range = read_le16(rest, 0) == kSystemAddressRange;
    if (is_range && length >= kSystemAddressRangeBytes) take_nvdimm(memory, rest.first(length));
    rest = rest.subspan(length);
  }
}

}  // namespace

AcpiMemory read_acpi_memory(std::span<const std::byte> tables) {
  AcpiMemory memory;
  if (auto srat = find_table(tables, "SRAT")) read_srat(memory, *srat);
  if (auto nfit = find_table(tables, "NFIT")) read_nfit(memory, *nfit);
  return memory;
}

}  // namespace vmstream
