// SPDX-License-Identifier: MIT
#include "analysis/physical/pc_split.h"

#include <vmstream/stream_summary.h>
#include "base/endian.h"

namespace vmstream {
namespace {

constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kUnit = 64u << 10;  // in which CMOS counts above 16 MiB
constexpr uint64_t kTiB = uint64_t{1} << 40;

constexpr uint64_t kThreeGiB = 0xc0000000;
constexpr uint64_t kOldLimit = 0xe0000000;
constexpr uint64_t kQ35Limit = 0xb0000000;
constexpr uint64_t kTwoGiB = 0x80000000;

uint64_t split_at(uint64_t limit, uint64_t below, uint64_t total) {
  return total >= limit ? below : total;
}

// Before 2.0 the hole did not begin at a multiple of a GiB.
bool is_before_2(std::string_view machine) {
  auto version = version_of_machine(machine);
  return version && version->major < 2;
}

}  // namespace

CmosMemory read_cmos_memory(const std::array<std::byte, 128>& cmos) {
  uint64_t units = read_le16(cmos, 0x34);
  uint64_t kibibytes = read_le16(cmos, 0x30);
  uint64_t high = read_le16(cmos, 0x5b) | uint64_t{std::to_integer<uint8_t>(cmos[0x5d])} << 16;
  return {units != 0 ? 16 * kMiB + units * kUnit : kMiB + kibibytes * 1024, high * kUnit};
}

uint64_t usual_below(std::string_view machine, std::optional<HostBridge> bridge, uint64_t total) {
  if (machine.starts_with("microvm")) return total > kThreeGiB ? kThreeGiB : total;
  if (bridge == HostBridge::Q35) return split_at(kQ35Limit, kTwoGiB, total);
  if (bridge == HostBridge::I440fx && !is_before_2(machine)) {
    return split_at(kOldLimit, kThreeGiB, total);
  }
  return split_at(kOldLimit, kOldLimit, total);
}

PcSplit split_pc(const MemoryFacts& facts, uint64_t total) {
  uint64_t usual = usual_below(facts.machine, facts.bridge, total);
  PcSplit by_rule{usual, total - usual, PlaceProof::Table};
  if (!facts.cmos) return by_rule;
  auto cmos = read_cmos_memory(*facts.cmos);
  // Sizes that are no multiple of what CMOS counts in are rounded down there.
  if (usual / kUnit == cmos.below / kUnit) cmos.below = usual;
  if (cmos.above == 0 && total >= cmos.below && total - cmos.below < kUnit) cmos.below = total;
  if (cmos.below > total) return by_rule;
  uint64_t above = total - cmos.below;
  if (above % kTiB / kUnit * kUnit != cmos.above) return by_rule;
  return {cmos.below, above, PlaceProof::Proved};
}

}  // namespace vmstream
