// SPDX-License-Identifier: MIT
#include <vmstream/physical_map.h>

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "analysis/physical/map_builder.h"

namespace vmstream {
namespace {

constexpr uint64_t kMostMemory = uint64_t{1} << 56;

// Blocks that no address shows, or whose place is a register of a PCI device.
bool is_of_device(std::string_view block) {
  constexpr std::string_view kObjects = "/objects/";
  return block.find('/') != std::string_view::npos && !block.starts_with(kObjects);
}

Error bad_place(std::string_view text) {
  return Error{Errc::Usage,
               fmt::format("'{}' is no place, such as dimm0@0x100000000", escape(text))};
}

Status put_given(MapBuilder& map, const PlacedBlock& given) {
  auto block = std::ranges::find_if(map.facts.blocks, [&given](const MemoryBlock& entry) {
    return entry.name == given.block || escape(entry.name) == given.block;
  });
  if (block == map.facts.blocks.end()) {
    return Error{Errc::Usage, fmt::format("there is no RAM block '{}'", escape(given.block))};
  }
  uint64_t rest = given.offset < block->bytes ? block->bytes - given.offset : 0;
  uint64_t length = given.length.value_or(rest);
  if (length == 0 || length > rest) {
    return Error{Errc::Usage, fmt::format("{:#x} bytes from {:#x} on reach past the end of block "
                                          "'{}', {:#x}",
                                          length, given.offset, escape(block->name), block->bytes)};
  }
  return map.put(*block, given.offset, length, given.address, MemoryKind::Ram, PlaceProof::Given);
}

Status check_blocks(const MemoryFacts& facts) {
  if (sum_of(facts.blocks) > kMostMemory) {
    return Error{Errc::Malformed,
                 fmt::format("the RAM blocks have more than {:#x} bytes together", kMostMemory)};
  }
  return ok();
}

// By the rules of machines, then of devices.
Status put_by_rules(MapBuilder& map, bool has_given) {
  auto known = place_pc(map);
  if (known && !*known) known = place_board(map);
  // What was given may be all that is wanted.
  if (!known && (!has_given || known.error().code != Errc::Unsupported)) return known.error();
  if (known && !*known && !has_given) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("where machine '{}' has its memory is not known",
                                        escape(map.facts.machine)),
                 .hint = "say where each block begins: --place BLOCK@ADDRESS"};
  }
  return place_modules(map);
}

std::vector<std::string> names_of(const std::vector<MemoryBlock>& blocks) {
  std::vector<std::string> names;
  names.reserve(blocks.size());
  for (const MemoryBlock& block : blocks) names.push_back(block.name);
  return names;
}

}  // namespace

std::string_view name_of(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::Ram:
      return "ram";
    case MemoryKind::Rom:
      return "rom";
    case MemoryKind::Device:
      break;
  }
  return "device";
}

std::string_view name_of(PlaceProof proof) {
  switch (proof) {
    case PlaceProof::Proved:
      return "proved";
    case PlaceProof::Table:
      return "table";
    case PlaceProof::Given:
      break;
  }
  return "given";
}

Result<PlacedBlock> PlacedBlock::parse(std::string_view text) {
  size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return bad_place(text);
  PlacedBlock placed{std::string(text.substr(0, at))};
  auto place = text.substr(at + 1);
  size_t plus = place.find('+');
  if (plus != std::string_view::npos) {
    auto part = place.substr(plus + 1);
    size_t colon = part.find(':');
    if (colon == std::string_view::npos) return bad_place(text);
    auto offset = parse_size(part.substr(0, colon));
    auto length = parse_size(part.substr(colon + 1));
    if (!offset || !length) return bad_place(text);
    placed.offset = *offset;
    placed.length = *length;
  }
  auto address = parse_size(place.substr(0, plus));
  if (!address) return bad_place(text);
  placed.address = *address;
  return placed;
}

bool MapBuilder::has_place(std::string_view block) const {
  return std::ranges::find(placed, block) != placed.end();
}

std::vector<MemoryBlock> MapBuilder::candidates() const {
  std::vector<MemoryBlock> blocks;
  for (const MemoryBlock& block : facts.blocks) {
    bool may_be = !has_place(block.name) && !is_firmware(block.name) && !is_of_device(block.name);
    if (may_be && block.bytes > 0) blocks.push_back(block);
  }
  return blocks;
}

Status MapBuilder::put(const MemoryBlock& block, uint64_t offset, uint64_t length, uint64_t address,
                       MemoryKind kind, PlaceProof proof) {
  if (!has_place(block.name)) placed.push_back(block.name);
  return layers.put({address, length, block.name, offset, kind, proof});
}

uint64_t sum_of(const std::vector<MemoryBlock>& blocks) {
  uint64_t sum = 0;
  for (const MemoryBlock& block : blocks) {
    sum = block.bytes > UINT64_MAX - sum ? UINT64_MAX : sum + block.bytes;
  }
  return sum;
}

bool is_firmware(std::string_view block) {
  constexpr std::string_view kNames[] = {"pc.bios", "pc.rom", "isa-bios"};
  constexpr std::string_view kParts[] = {"/rom@", "flash", "bios", "prom", "firmware",
                                         "mrom",  "nvram", "vram", "erst", "vmclock"};
  auto is_part = [block](std::string_view part) {
    return block.find(part) != std::string_view::npos;
  };
  return std::ranges::find(kNames, block) != std::end(kNames) ||
         std::ranges::any_of(kParts, is_part);
}

bool PhysicalMap::is_wanted(const SectionHeader& header) {
  return is_memory_fact(header);
}

Result<PhysicalMap> PhysicalMap::make(const DeviceCollector& devices, const StreamSummary& summary,
                                      RamImage* image, const std::vector<PlacedBlock>& placed) {
  auto facts = collect_memory_facts(devices, summary, image);
  if (!facts) return facts.error();
  return map_memory(*facts, placed);
}

Result<PhysicalMap> map_memory(const MemoryFacts& facts, const std::vector<PlacedBlock>& placed) {
  if (auto checked = check_blocks(facts); !checked) return checked.error();
  MapBuilder map{facts};
  if (auto put = put_by_rules(map, !placed.empty()); !put) return put.error();
  for (const PlacedBlock& given : placed) {
    if (auto put = put_given(map, given); !put) return put.error();
  }
  return PhysicalMap(map.layers.take(), names_of(map.candidates()), std::move(map.notes));
}

bool PhysicalMap::is_proved() const {
  return std::ranges::none_of(ranges_, [](const PhysicalRange& range) {
    return range.kind == MemoryKind::Ram && range.proof == PlaceProof::Table;
  });
}

const PhysicalRange* PhysicalMap::find_from(uint64_t address) const {
  auto found = std::ranges::partition_point(
      ranges_, [address](const PhysicalRange& range) { return range.end() <= address; });
  return found == ranges_.end() ? nullptr : &*found;
}

const PhysicalRange* PhysicalMap::find(uint64_t address) const {
  const PhysicalRange* range = find_from(address);
  return range != nullptr && range->address <= address ? range : nullptr;
}

uint64_t PhysicalMap::end_of(MemoryKind kind) const {
  uint64_t end = 0;
  for (const PhysicalRange& range : ranges_) {
    if (range.kind == kind) end = range.end();
  }
  return end;
}

bool PhysicalMap::is_in_one_place(std::string_view block) const {
  std::optional<uint64_t> distance;
  for (const PhysicalRange& range : ranges_) {
    if (range.block != block || range.kind != MemoryKind::Ram) continue;
    uint64_t own = range.address - range.offset;
    if (distance.value_or(own) != own) return false;
    distance = own;
  }
  return true;
}

}  // namespace vmstream
