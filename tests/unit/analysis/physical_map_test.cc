// SPDX-License-Identifier: MIT
#include <vmstream/physical_map.h>

#include "analysis/physical/acpi_tables.h"
#include "analysis/physical/map_builder.h"
#include "analysis/physical/pc_split.h"
#include "base/endian.h"
#include "support/catch.h"

using namespace vmstream;

namespace {

constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kGiB = 1u << 30;

std::array<std::byte, 128> cmos_of(uint64_t below, uint64_t above) {
  std::array<std::byte, 128> cmos{};
  auto put = [&cmos](size_t at, uint64_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) cmos[at + i] = static_cast<std::byte>(value >> (8 * i));
  };
  if (below > kMiB) put(0x30, std::min<uint64_t>((below - kMiB) / 1024, 65535), 2);
  if (below > 16 * kMiB) put(0x34, (below - 16 * kMiB) >> 16, 2);
  put(0x5b, above >> 16, 3);
  return cmos;
}

MemoryFacts pc_facts(uint64_t total) {
  MemoryFacts facts{.machine = "pc-i440fx-7.2"};
  facts.bridge = HostBridge::I440fx;
  facts.blocks = {{"pc.ram", total}, {"pc.bios", 0x40000}, {"pc.rom", 0x20000}};
  facts.shadow_registers = {0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33};
  return facts;
}

PhysicalMap map_of(const MemoryFacts& facts, const std::vector<PlacedBlock>& placed = {}) {
  auto map = map_memory(facts, placed);
  REQUIRE(map);
  return *map;
}

void check_range(const PhysicalMap& map, uint64_t address, uint64_t offset,
                 std::string_view block) {
  const PhysicalRange* range = map.find(address);
  REQUIRE(range != nullptr);
  CHECK(range->block == block);
  CHECK(range->offset + (address - range->address) == offset);
}

std::vector<std::byte> acpi_table(std::string_view signature, size_t reserved,
                                  const std::vector<std::byte>& entries) {
  std::vector<std::byte> table;
  for (char letter : signature) table.push_back(static_cast<std::byte>(letter));
  append_le(table, 36 + reserved + entries.size(), 4);
  table.resize(36 + reserved);
  table.insert(table.end(), entries.begin(), entries.end());
  return table;
}

void append_node(std::vector<std::byte>& entries, uint32_t node, uint64_t base, uint64_t length) {
  size_t begin = entries.size();
  append_le(entries, 1, 1);
  append_le(entries, 40, 1);
  append_le(entries, node, 4);
  append_le(entries, 0, 2);
  append_le(entries, base, 8);
  append_le(entries, length, 8);
  append_le(entries, 0, 4);
  append_le(entries, 1, 4);
  entries.resize(begin + 40);
}

}  // namespace

TEST_CASE("the RTC's memory proves where a PC's memory is split", "[physical]") {
  auto facts = pc_facts(4 * kGiB);
  facts.cmos = cmos_of(2 * kGiB, 2 * kGiB);  // not the rule of the machine type
  auto map = map_of(facts);
  CHECK(map.is_proved());
  CHECK(map.notes().empty());
  check_range(map, 2 * kGiB - 1, 2 * kGiB - 1, "pc.ram");
  CHECK(map.find(2 * kGiB) == nullptr);
  check_range(map, 4 * kGiB, 2 * kGiB, "pc.ram");
  CHECK(map.end_of(MemoryKind::Ram) == 6 * kGiB);
  CHECK_FALSE(map.is_in_one_place("pc.ram"));
}

TEST_CASE("without an RTC the rule of the machine type is said to be one", "[physical]") {
  auto map = map_of(pc_facts(4 * kGiB));
  CHECK_FALSE(map.is_proved());
  CHECK(map.notes().size() == 1);
  check_range(map, 4 * kGiB, 3 * kGiB, "pc.ram");
}

TEST_CASE("an RTC that contradicts the blocks proves nothing", "[physical]") {
  auto facts = pc_facts(4 * kGiB);
  facts.cmos = cmos_of(2 * kGiB, kGiB);
  CHECK_FALSE(map_of(facts).is_proved());
}

TEST_CASE("machine types split their memory by their own rules", "[physical]") {
  struct Case {
    std::string_view machine;
    std::optional<HostBridge> bridge;
    uint64_t total;
    uint64_t below;
  };
  auto [machine, bridge, total, below] = GENERATE(values<Case>({
      {"pc-i440fx-7.2", HostBridge::I440fx, 3583 * kMiB, 3583 * kMiB},
      {"pc-i440fx-7.2", HostBridge::I440fx, 3584 * kMiB, 0xc0000000},
      {"pc-i440fx-1.7", HostBridge::I440fx, 4 * kGiB, 0xe0000000},
      {"pc-q35-7.2", HostBridge::Q35, 2815 * kMiB, 2815 * kMiB},
      {"pc-q35-7.2", HostBridge::Q35, 2816 * kMiB, 0x80000000},
      {"microvm", std::nullopt, 3072 * kMiB, 3072 * kMiB},
      {"microvm", std::nullopt, 3073 * kMiB, 0xc0000000},
      {"isapc", std::nullopt, 6 * kGiB, 0xe0000000},
  }));
  CHECK(usual_below(machine, bridge, total) == below);
}

TEST_CASE("the host bridge tells what covers the memory below 1 MiB", "[physical]") {
  auto facts = pc_facts(64 * kMiB);
  facts.shadow_registers = {0x30, 0x03, 0, 0, 0, 0, 0};  // 0xf0000, and 0xc0000 to 0xc3fff
  auto map = map_of(facts);
  check_range(map, 0xc0000, 0xc0000, "pc.ram");
  check_range(map, 0xc4000, 0x4000, "pc.rom");
  check_range(map, 0xe0000, 0x20000, "pc.bios");
  check_range(map, 0xf0000, 0xf0000, "pc.ram");
  check_range(map, 0xfffc0000, 0, "pc.bios");
}

TEST_CASE("where there is a VGA, its window is a hole", "[physical]") {
  auto facts = pc_facts(64 * kMiB);
  check_range(map_of(facts), 0xa0000, 0xa0000, "pc.ram");
  facts.blocks.push_back({"0000:00:02.0/vga.vram", 16 * kMiB});
  CHECK(map_of(facts).find(0xa0000) == nullptr);
}

TEST_CASE("ACPI tables put the blocks of NUMA nodes in order", "[physical]") {
  MemoryFacts facts = pc_facts(0);
  facts.blocks = {{"large", 48 * kMiB}, {"small", 16 * kMiB}, {"pc.bios", 0x40000}};
  facts.cmos = cmos_of(64 * kMiB, 0);
  auto open = map_memory(facts, {});
  REQUIRE_FALSE(open);
  CHECK(open.error().code == Errc::Unsupported);
  std::vector<std::byte> entries;
  append_node(entries, 0, 0, 0xa0000);
  append_node(entries, 0, kMiB, 15 * kMiB);
  append_node(entries, 1, 16 * kMiB, 48 * kMiB);
  facts.acpi_tables = acpi_table("SRAT", 12, entries);
  auto map = map_of(facts);
  check_range(map, 0, 0, "small");
  check_range(map, 16 * kMiB, 0, "large");
}

TEST_CASE("what a caller says goes before the rules", "[physical]") {
  auto facts = pc_facts(64 * kMiB);
  facts.blocks.push_back({"dimm0", 16 * kMiB});
  CHECK(map_of(facts).unplaced() == std::vector<std::string>{"dimm0"});
  auto map = map_of(facts, {{"dimm0", 4 * kGiB}});
  CHECK(map.unplaced().empty());
  check_range(map, 4 * kGiB + 5, 5, "dimm0");
  CHECK(map.find(4 * kGiB)->proof == PlaceProof::Given);
  CHECK(map_memory(facts, {{"dimm1", 0}}).error().code == Errc::Usage);
  CHECK(map_memory(facts, {{"dimm0", 0, 16 * kMiB}}).error().code == Errc::Usage);
  CHECK(map_memory(facts, {{"dimm0", UINT64_MAX - 5}}).error().code == Errc::Usage);
}

TEST_CASE("only what is plugged in of a virtio-mem device is memory", "[physical]") {
  auto facts = pc_facts(64 * kMiB);
  facts.blocks.push_back({"vm0", 8 * kMiB});
  facts.virtio_memory = {{"", 4 * kGiB, 8 * kMiB, 2 * kMiB, {true, false, true, true}}};
  auto map = map_of(facts);
  check_range(map, 4 * kGiB, 0, "vm0");
  CHECK(map.find(4 * kGiB + 2 * kMiB) == nullptr);
  check_range(map, 4 * kGiB + 7 * kMiB, 7 * kMiB, "vm0");
}

TEST_CASE("boards have their memory where the table says", "[physical]") {
  MemoryFacts arm{.machine = "virt-7.2"};
  arm.blocks = {{"mach-virt.ram", 64 * kMiB}, {"virt.flash0", 64 * kMiB}};
  auto map = map_of(arm);
  check_range(map, 0x40000000, 0, "mach-virt.ram");
  check_range(map, 0, 0, "virt.flash0");
  CHECK_FALSE(map.is_proved());
  MemoryFacts unknown{.machine = "nothing"};
  unknown.blocks = {{"some.ram", kMiB}};
  auto refused = map_memory(unknown, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::Unsupported);
  CHECK(refused.error().message == "where machine 'nothing' has its memory is not known");
  check_range(map_of(unknown, {{"some.ram", kMiB}}), kMiB, 0, "some.ram");
}

TEST_CASE("a place is a block, an address and perhaps a part", "[physical]") {
  auto whole = PlacedBlock::parse("a@b@0x100000000");
  REQUIRE(whole);
  CHECK(whole->block == "a@b");
  CHECK(whole->address == 4 * kGiB);
  auto part = PlacedBlock::parse("ram@1G+2M:4k");
  REQUIRE(part);
  CHECK(part->offset == 2 * kMiB);
  CHECK(part->length == 4096);
  for (auto text : {"ram", "@1G", "ram@", "ram@1G+2M", "ram@x", "ram@1G+:"}) {
    CHECK_FALSE(PlacedBlock::parse(text));
  }
}

TEST_CASE("tables that are cut are left out", "[physical]") {
  std::vector<std::byte> entries;
  append_node(entries, 0, 0, kGiB);
  auto table = acpi_table("SRAT", 12, entries);
  CHECK(read_acpi_memory(table).nodes.size() == 1);
  for (size_t length = 0; length < table.size(); ++length) {
    CHECK(read_acpi_memory(std::span(table).first(length)).nodes.empty());
  }
}

TEST_CASE("blocks larger than any guest are refused", "[physical]") {
  auto facts = pc_facts(UINT64_MAX);
  CHECK(map_memory(facts, {}).error().code == Errc::Malformed);
}
