// SPDX-License-Identifier: MIT
#include "analysis/physical/memory_facts.h"

#include <algorithm>

#include "base/endian.h"

namespace vmstream {
namespace {

constexpr std::string_view kCmos = "mc146818rtc";
constexpr std::string_view kI440fx = "/I440FX";
constexpr std::string_view kI440fxAlone = "I440FX";
constexpr std::string_view kQ35 = "/mch";
constexpr std::string_view kVirtioMemory = "virtio-mem";
constexpr std::string_view kAcpiTables = "/rom@etc/acpi/tables";
constexpr uint64_t kMostAcpiBytes = 4u << 20;
constexpr uint64_t kMostPluggedBlocks = 1u << 24;

// Of a PCI device's section: the version of its form, then its configuration space.
constexpr size_t kPciConfig = 4;
constexpr size_t kPciConfigBytes = 256;
constexpr uint16_t kIntel = 0x8086;
constexpr size_t kShadowOfI440fx = 0x59;
constexpr size_t kShadowOfQ35 = 0x90;

bool is_bridge(const SectionHeader& header) {
  return header.idstr.ends_with(kI440fx) || header.idstr == kI440fxAlone ||
         header.idstr.ends_with(kQ35);
}

void take_cmos(MemoryFacts& facts, const DeviceSection& section) {
  std::array<std::byte, 128> cmos;
  if (section.body.size() < cmos.size()) return;
  std::copy_n(section.body.begin(), cmos.size(), cmos.begin());
  facts.cmos = cmos;
}

void take_bridge(MemoryFacts& facts, const DeviceSection& section) {
  if (section.body.size() < kPciConfig + kPciConfigBytes) return;
  auto config = std::span(section.body).subspan(kPciConfig, kPciConfigBytes);
  if (read_le16(config, 0) != kIntel) return;
  bool is_q35 = section.header.idstr.ends_with(kQ35);
  facts.bridge = is_q35 ? HostBridge::Q35 : HostBridge::I440fx;
  auto from = config.subspan(is_q35 ? kShadowOfQ35 : kShadowOfI440fx);
  for (size_t i = 0; i < facts.shadow_registers.size(); ++i) {
    facts.shadow_registers[i] = std::to_integer<uint8_t>(from[i]);
  }
}

// The first field of that name and kind, at any depth: releases nest them differently.
const DeviceField* find_deep(const std::vector<DeviceField>& fields, std::string_view name,
                             ValueKind kind, unsigned depth = 0) {
  constexpr unsigned kDeepest = 8;
  for (const DeviceField& field : fields) {
    // What virtio itself has of such a name is in the guest's order.
    bool is_own = !field.type.starts_with("guest") && !field.type.starts_with("le");
    if (field.name == name && field.kind == kind && !field.array_len && is_own) return &field;
    if (depth == kDeepest) continue;
    if (const auto* found = find_deep(field.fields, name, kind, depth + 1)) return found;
  }
  return nullptr;
}

uint64_t number_of(const DeviceState& state, std::string_view name) {
  const auto* field = find_deep(state.fields, name, ValueKind::Unsigned);
  return field != nullptr ? field->as_unsigned() : 0;
}

// be64 number of words, then the words, whose bit 0 is the first block.
std::vector<bool> bits_of(const DeviceField& bitmap, uint64_t count) {
  std::vector<bool> bits;
  if (bitmap.kind != ValueKind::Bitmap || bitmap.bytes.size() < 8) return bits;
  auto words = bitmap.bytes.subspan(8);
  bits.reserve(static_cast<size_t>(count));
  for (uint64_t bit = 0; bit < count && bit / 64 * 8 + 8 <= words.size(); ++bit) {
    uint64_t word = load_be<uint64_t>(&words[static_cast<size_t>(bit / 64 * 8)]);
    bits.push_back((word >> bit % 64 & 1) != 0);
  }
  return bits;
}

void take_virtio_memory(MemoryFacts& facts, const DecodedDevice& device) {
  uint64_t address = number_of(device.state, "addr");
  uint64_t region = number_of(device.state, "region_size");
  uint64_t block = number_of(device.state, "block_size");
  const auto* bitmap = find_deep(device.state.fields, "bitmap", ValueKind::Bitmap);
  if (block == 0 || region == 0 || bitmap == nullptr) return;
  uint64_t count = region / block;
  if (count > kMostPluggedBlocks || region > UINT64_MAX - address) return;
  const std::string& idstr = device.section->header.idstr;
  std::string path = idstr.substr(0, std::min(idstr.rfind('/'), idstr.size()));
  facts.virtio_memory.push_back({path, address, region, block, bits_of(*bitmap, count)});
}

Status read_acpi_tables(MemoryFacts& facts, RamImage& image) {
  auto block = image.find_block(kAcpiTables);
  if (!block || image.page_size() == 0) return ok();
  uint64_t bytes = std::min(image.page_count(*block) * image.page_size(), kMostAcpiBytes);
  facts.acpi_tables.resize(static_cast<size_t>(bytes / image.page_size() * image.page_size()));
  auto read = image.read(*block, 0, facts.acpi_tables);
  return read ? ok() : Status(read.error());
}

}  // namespace

const MemoryBlock* MemoryFacts::find(std::string_view name) const {
  auto found = std::ranges::find(blocks, name, &MemoryBlock::name);
  return found == blocks.end() ? nullptr : &*found;
}

bool is_memory_fact(const SectionHeader& header) {
  return header.idstr == kCmos || is_bridge(header) ||
         header.idstr.find(kVirtioMemory) != std::string::npos;
}

Result<MemoryFacts> collect_memory_facts(const DeviceCollector& devices,
                                         const StreamSummary& summary, RamImage* image) {
  MemoryFacts facts;
  if (summary.configuration) facts.machine = summary.configuration->machine;
  for (const RamBlockSummary& entry : summary.blocks) {
    facts.blocks.push_back({entry.block.name, entry.block.used_length});
  }
  for (const DeviceSection& section : devices.sections()) {
    if (section.header.idstr == kCmos && section.header.instance_id == 0) {
      take_cmos(facts, section);
    } else if (is_bridge(section.header)) {
      take_bridge(facts, section);
    } else if (is_memory_fact(section.header) && section.header.idstr != kCmos) {
      take_virtio_memory(facts, devices.decode(section));
    }
  }
  if (image != nullptr) {
    if (auto read = read_acpi_tables(facts, *image); !read) return read.error();
  }
  return facts;
}

}  // namespace vmstream
