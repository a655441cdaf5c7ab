// SPDX-License-Identifier: MIT
// The physical map of a PC: main memory around the hole below 4 GiB, and what covers it below 1
// MiB.
#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "analysis/physical/acpi_tables.h"
#include "analysis/physical/map_builder.h"
#include "analysis/physical/pc_split.h"

namespace vmstream {
namespace {

constexpr uint64_t k4GiB = uint64_t{1} << 32;
constexpr uint64_t k1TiB = uint64_t{1} << 40;
constexpr uint64_t kVgaWindow = 0xa0000;
constexpr uint64_t kShadow = 0xc0000;
constexpr uint64_t kLowRomBytes = 0x20000;
constexpr uint64_t k1MiB = 0x100000;
constexpr unsigned kShadowAreas = 13;
// From here on the memory above 4 GiB may have been moved, for processors of AMD.
constexpr uint64_t kMayBeMoved = uint64_t{900} << 30;

bool is_pc(const MemoryFacts& facts) {
  if (facts.bridge || facts.find("pc.ram") || facts.find("microvm.ram")) return true;
  return facts.machine == "isapc" || facts.machine.starts_with("microvm");
}

std::vector<MemoryBlock> own_memory(const MapBuilder& map) {
  for (std::string_view name : {"pc.ram", "microvm.ram"}) {
    if (const MemoryBlock* block = map.facts.find(name)) return {*block};
  }
  return map.candidates();
}

// The blocks whose sizes add up to what CMOS tells, if only one choice of them does.
std::optional<std::vector<MemoryBlock>> choose_by_sum(const std::vector<MemoryBlock>& blocks,
                                                      uint64_t total) {
  constexpr size_t kMostBlocks = 12;
  if (blocks.size() > kMostBlocks) return std::nullopt;
  std::optional<std::vector<MemoryBlock>> chosen;
  for (unsigned choice = 1; choice < 1u << blocks.size(); ++choice) {
    std::vector<MemoryBlock> some;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if ((choice >> i & 1) != 0) some.push_back(blocks[i]);
    }
    if (sum_of(some) != total) continue;
    if (chosen) return std::nullopt;
    chosen = std::move(some);
  }
  return chosen;
}

// Bytes of each NUMA node, in the order of the nodes.
std::vector<uint64_t> node_sizes(const AcpiMemory& acpi) {
  std::vector<uint64_t> sizes;
  std::vector<uint32_t> numbers;
  for (const NodeMemory& node : acpi.nodes) {
    if (numbers.empty() || numbers.back() != node.node) {
      numbers.push_back(node.node);
      sizes.push_back(0);
    }
    sizes.back() += node.length;
  }
  return sizes;
}

// Puts the blocks of several nodes in order by their sizes. The tables leave out the window of the
// VGA in the first node.
bool order_by_nodes(std::vector<MemoryBlock>& blocks, const AcpiMemory& acpi) {
  auto sizes = node_sizes(acpi);
  if (sizes.size() != blocks.size()) return false;
  sizes.front() += k1MiB - kVgaWindow;
  std::vector<MemoryBlock> ordered;
  for (uint64_t size : sizes) {
    auto fits = [size](const MemoryBlock& block) { return block.bytes == size; };
    if (std::ranges::count_if(blocks, fits) != 1) return false;
    ordered.push_back(*std::ranges::find_if(blocks, fits));
  }
  blocks = std::move(ordered);
  return true;
}

Error unknown_order(const std::vector<MemoryBlock>& blocks) {
  std::string names;
  for (const MemoryBlock& block : blocks) {
    names += (names.empty() ? "" : ", ") + escape(block.name);
  }
  return Error{
      .code = Errc::Unsupported,
      .message = "which block is main memory, and in what order, the state does not tell: " + names,
      .hint = "say where each begins: --place BLOCK@ADDRESS"};
}

// Main memory, block after block as it is one region.
Result<std::vector<MemoryBlock>> find_main(const MapBuilder& map, const AcpiMemory& acpi) {
  auto blocks = own_memory(map);
  if (blocks.empty()) {
    return Error{Errc::Unsupported, "the stream has no block of main memory"};
  }
  if (blocks.size() == 1) return blocks;
  if (map.facts.cmos) {
    auto cmos = read_cmos_memory(*map.facts.cmos);
    if (auto some = choose_by_sum(blocks, cmos.below + cmos.above)) blocks = std::move(*some);
  }
  if (blocks.size() == 1 || order_by_nodes(blocks, acpi)) return blocks;
  return unknown_order(blocks);
}

// Where the memory above the hole begins.
uint64_t find_high(MapBuilder& map, const AcpiMemory& acpi, const PcSplit& split) {
  for (const NodeMemory& node : acpi.nodes) {
    if (node.address == k1TiB) return k1TiB;
  }
  if (split.above >= kMayBeMoved && acpi.nodes.empty()) {
    map.notes.push_back(
        "for a processor of AMD the memory above 4 GiB may begin at 1 TiB; the state does not "
        "tell");
  }
  return k4GiB;
}

// Of all main memory: bytes [from, end) at `address`.
Status put_main(MapBuilder& map, const std::vector<MemoryBlock>& main, uint64_t from, uint64_t end,
                uint64_t address, PlaceProof proof) {
  uint64_t begin = 0;  // of the block, in main memory
  for (const MemoryBlock& block : main) {
    uint64_t first = std::max(from, begin);
    uint64_t last = std::min(end, begin + block.bytes);
    if (first < last) {
      auto put = map.put(block, first - begin, last - first, address + (first - from),
                         MemoryKind::Ram, proof);
      if (!put) return put;
    }
    begin += block.bytes;
  }
  return ok();
}

// A block that ends at an address, or as much of its end as there is room for.
Status put_ending(MapBuilder& map, const MemoryBlock& block, uint64_t end, uint64_t most) {
  uint64_t length = std::min(block.bytes, most);
  return map.put(block, block.bytes - length, length, end - length, MemoryKind::Rom,
                 PlaceProof::Proved);
}

const MemoryBlock* first_of(const MemoryFacts& facts,
                            std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    if (const MemoryBlock* block = facts.find(name)) return block;
  }
  return nullptr;
}

Status put_firmware(MapBuilder& map) {
  uint64_t end = k4GiB;
  for (std::string_view name : {"pc.bios", "system.flash0", "system.flash1"}) {
    const MemoryBlock* block = map.facts.find(name);
    if (block == nullptr || block->bytes > end) continue;
    if (auto put = put_ending(map, *block, end, block->bytes); !put) return put;
    end -= block->bytes;
  }
  return ok();
}

// Whether memory is read in this area between 0xc0000 and 1 MiB, and not what lies over it.
bool is_memory_shown(const MemoryFacts& facts, unsigned area) {
  uint8_t byte = facts.shadow_registers[(area + 1) / 2];
  unsigned nibble = area % 2 == 0 ? byte >> 4u : byte;
  return (nibble & 3u) != 0;
}

AddressRange shadow_area(unsigned area) {
  constexpr uint64_t kAreaBytes = 0x4000;
  if (area == 0) return {0xf0000, 0x10000};
  return {kShadow + (area - 1) * kAreaBytes, kAreaBytes};
}

// What of a ROM that ends at `end` lies in the area.
Status put_rom_part(MapBuilder& map, const MemoryBlock* rom, uint64_t end, AddressRange area) {
  if (rom == nullptr) return ok();
  uint64_t length = std::min(rom->bytes, kLowRomBytes);
  uint64_t begin = end - length;
  uint64_t first = std::max(area.address, begin);
  uint64_t last = std::min(area.address + area.length, end);
  if (first >= last) return ok();
  return map.put(*rom, rom->bytes - length + (first - begin), last - first, first, MemoryKind::Rom,
                 PlaceProof::Proved);
}

Status put_low_roms(MapBuilder& map) {
  bool is_microvm = map.facts.machine.starts_with("microvm") || map.facts.find("microvm.ram");
  const MemoryBlock* bios = first_of(map.facts, {"isa-bios", "pc.bios", "system.flash0"});
  const MemoryBlock* options = is_microvm ? nullptr : map.facts.find("pc.rom");
  for (unsigned area = 0; area < kShadowAreas; ++area) {
    if (map.facts.bridge && is_memory_shown(map.facts, area)) continue;
    auto range = shadow_area(area);
    if (auto put = put_rom_part(map, options, kShadow + kLowRomBytes, range); !put) return put;
    if (auto put = put_rom_part(map, bios, k1MiB, range); !put) return put;
  }
  return ok();
}

bool has_vga(const MemoryFacts& facts) {
  return std::ranges::any_of(facts.blocks, [](const MemoryBlock& block) {
    return block.name.ends_with("vga.vram") || block.name.ends_with("vgavram") ||
           block.name.ends_with("cirrus_vga.vram");
  });
}

}  // namespace

Result<bool> place_pc(MapBuilder& map) {
  if (!is_pc(map.facts)) return false;
  auto acpi = read_acpi_memory(map.facts.acpi_tables);
  auto main = find_main(map, acpi);
  if (!main) return main.error();
  uint64_t total = sum_of(*main);
  auto split = split_pc(map.facts, total);
  if (split.below > k4GiB) return Error{Errc::Malformed, "main memory reaches past 4 GiB"};
  uint64_t high = find_high(map, acpi, split);
  if (auto put = put_main(map, *main, 0, split.below, 0, split.proof); !put) return put.error();
  auto above = put_main(map, *main, split.below, total, high, split.proof);
  if (!above) return above.error();
  if (split.proof != PlaceProof::Proved) {
    map.notes.push_back(fmt::format(
        "where the memory below 4 GiB ends, {:#x}, is the rule of the machine type: {}",
        split.below,
        map.facts.cmos ? "the RTC's memory does not agree with the blocks" : "there is no RTC"));
  }
  if (has_vga(map.facts)) map.layers.cut(kVgaWindow, kShadow);
  if (auto put = put_low_roms(map); !put) return put.error();
  if (auto put = put_firmware(map); !put) return put.error();
  return true;
}

}  // namespace vmstream
