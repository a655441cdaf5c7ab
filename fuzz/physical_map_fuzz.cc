// SPDX-License-Identifier: MIT
// Any facts about a guest's memory: the map made of them is sorted, its ranges are apart, within
// their blocks and within the address space, and an address is found in the range that holds it.
#include <vmstream/memory_image.h>
#include <vmstream/physical_map.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "analysis/physical/map_builder.h"
#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

constexpr std::array<std::string_view, 8> kMachines{
    "", "pc-i440fx-7.2", "pc-q35-7.2", "microvm", "isapc", "virt-7.2", "xlnx-zcu102", "nothing"};
constexpr std::array<std::string_view, 16> kBlocks{
    "pc.ram",      "microvm.ram",   "pc.bios",       "pc.rom",
    "isa-bios",    "system.flash0", "system.flash1", "mach-virt.ram",
    "virt.flash0", "loongarch.ram", "ddr-ram",       "mem0",
    "mem1",        "dimm0",         "mps.ssram1",    "0000:00:02.0/vga.vram"};
constexpr size_t kMostBlocks = 12;
constexpr size_t kMostDevices = 4;

// Takes numbers off the front; zeros when nothing is left.
class Numbers {
 public:
  explicit Numbers(std::span<const std::byte> bytes) : rest_(bytes) {}
  uint64_t next(size_t width) {
    uint64_t value = 0;
    for (size_t i = 0; i < width && !rest_.empty(); ++i, rest_ = rest_.subspan(1)) {
      value |= uint64_t{std::to_integer<uint8_t>(rest_[0])} << (8 * i);
    }
    return value;
  }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

MemoryFacts facts_of(Numbers& in) {
  MemoryFacts facts{.machine = std::string(kMachines[in.next(1) % kMachines.size()])};
  for (uint64_t count = in.next(1) % kMostBlocks; count > 0; --count) {
    std::string name(kBlocks[in.next(1) % kBlocks.size()]);
    facts.blocks.push_back({std::move(name), in.next(8)});
  }
  uint64_t choice = in.next(1);
  if ((choice & 1) != 0) facts.bridge = (choice & 2) != 0 ? HostBridge::Q35 : HostBridge::I440fx;
  for (uint8_t& part : facts.shadow_registers) part = static_cast<uint8_t>(in.next(1));
  if ((choice & 4) != 0) {
    auto& cmos = facts.cmos.emplace();
    for (size_t at = 0x30; at < 0x60; ++at) cmos[at] = static_cast<std::byte>(in.next(1));
  }
  for (uint64_t count = in.next(1) % kMostDevices; count > 0; --count) {
    VirtioMemory device{"", in.next(8), in.next(8), in.next(4), {}};
    for (uint64_t bits = in.next(2); bits > 0; bits >>= 1) device.plugged.push_back(bits & 1);
    // What collect_memory_facts() lets through.
    if (device.block_bytes == 0 || device.region_bytes > UINT64_MAX - device.address) continue;
    device.plugged.resize(static_cast<size_t>(
        std::min<uint64_t>(device.plugged.size(), device.region_bytes / device.block_bytes)));
    facts.virtio_memory.push_back(std::move(device));
  }
  return facts;
}

std::vector<PlacedBlock> places_of(Numbers& in) {
  std::vector<PlacedBlock> places;
  for (uint64_t count = in.next(1) % kMostDevices; count > 0; --count) {
    PlacedBlock place{std::string(kBlocks[in.next(1) % kBlocks.size()]), in.next(8), in.next(8)};
    if (in.next(1) % 2 != 0) place.length = in.next(8);
    places.push_back(std::move(place));
  }
  return places;
}

void check(const MemoryFacts& facts, const PhysicalMap& map) {
  uint64_t end = 0;
  for (const PhysicalRange& range : map.ranges()) {
    require(range.length > 0 && range.address >= end);
    require(range.length <= UINT64_MAX - range.address);
    end = range.end();
    bool is_within = std::ranges::any_of(facts.blocks, [&range](const MemoryBlock& block) {
      return block.name == range.block && range.offset <= block.bytes &&
             range.length <= block.bytes - range.offset;
    });
    require(is_within);
    require(map.find(range.address) == &range && map.find(end - 1) == &range);
  }
  for (bool with_firmware : {false, true}) {
    uint64_t last = 0;
    for (const ImageStretch& stretch : image_stretches(map, with_firmware)) {
      require(stretch.length > 0 && (last == 0 || stretch.address > last));
      last = stretch.end();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Numbers in(std::as_bytes(std::span(data, size)));
  auto facts = facts_of(in);
  auto places = places_of(in);
  facts.acpi_tables.assign(in.rest().begin(), in.rest().end());
  if (auto map = map_memory(facts, places)) check(facts, *map);
  return 0;
}
