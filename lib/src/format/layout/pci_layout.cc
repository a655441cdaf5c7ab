// SPDX-License-Identifier: MIT
// Registers as the PCI specifications have them: little endian, at fixed places; capabilities are a
// list that leads from one place to the next, drawn up here in the order of their places.
#include "format/layout/layouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "format/description/device_value.h"
#include "format/layout/layout_writer.h"

namespace vmstream {
namespace {

struct Register {
  std::string_view name;
  std::string_view type;
  uint64_t count = 1;
};

constexpr uint64_t kConventionalBytes = 256;
constexpr uint64_t kExpressBytes = 4096;
constexpr uint64_t kHeaderBytes = 0x40;
constexpr size_t kCapabilityPointer = 0x34;
constexpr size_t kHeaderType = 0x0e;

constexpr std::array kCommonHeader{
    Register{"vendor_id", "le16"},        Register{"device_id", "le16"},
    Register{"command", "le16"},          Register{"status", "le16"},
    Register{"revision_id", "uint8"},     Register{"prog_if", "uint8"},
    Register{"subclass", "uint8"},        Register{"class", "uint8"},
    Register{"cache_line_size", "uint8"}, Register{"latency_timer", "uint8"},
    Register{"header_type", "uint8"},     Register{"bist", "uint8"},
};
constexpr std::array kDeviceHeader{
    Register{"bar", "le32", 6},
    Register{"cardbus_cis", "le32"},
    Register{"subsystem_vendor_id", "le16"},
    Register{"subsystem_id", "le16"},
    Register{"expansion_rom", "le32"},
    Register{"capabilities", "uint8"},
    Register{"reserved", "uint8", 7},
    Register{"interrupt_line", "uint8"},
    Register{"interrupt_pin", "uint8"},
    Register{"min_grant", "uint8"},
    Register{"max_latency", "uint8"},
};
constexpr std::array kBridgeHeader{
    Register{"bar", "le32", 2},
    Register{"primary_bus", "uint8"},
    Register{"secondary_bus", "uint8"},
    Register{"subordinate_bus", "uint8"},
    Register{"secondary_latency", "uint8"},
    Register{"io_base", "uint8"},
    Register{"io_limit", "uint8"},
    Register{"secondary_status", "le16"},
    Register{"memory_base", "le16"},
    Register{"memory_limit", "le16"},
    Register{"prefetch_base", "le16"},
    Register{"prefetch_limit", "le16"},
    Register{"prefetch_base_upper", "le32"},
    Register{"prefetch_limit_upper", "le32"},
    Register{"io_base_upper", "le16"},
    Register{"io_limit_upper", "le16"},
    Register{"capabilities", "uint8"},
    Register{"reserved", "uint8", 3},
    Register{"expansion_rom", "le32"},
    Register{"interrupt_line", "uint8"},
    Register{"interrupt_pin", "uint8"},
    Register{"bridge_control", "le16"},
};

constexpr std::array kPowerManagement{
    Register{"capabilities", "le16"},
    Register{"control", "le16"},
    Register{"bridge", "uint8"},
    Register{"data", "uint8"},
};
constexpr std::array kMsi32{
    Register{"control", "le16"},
    Register{"address", "le32"},
    Register{"data", "le16"},
};
constexpr std::array kMsi64{
    Register{"control", "le16"},
    Register{"address", "le64"},
    Register{"data", "le16"},
};
constexpr std::array kMaskedMsi32{
    Register{"control", "le16"},  Register{"address", "le32"}, Register{"data", "le16"},
    Register{"reserved", "le16"}, Register{"mask", "le32"},    Register{"pending", "le32"},
};
constexpr std::array kMaskedMsi64{
    Register{"control", "le16"},  Register{"address", "le64"}, Register{"data", "le16"},
    Register{"reserved", "le16"}, Register{"mask", "le32"},    Register{"pending", "le32"},
};
constexpr std::array kVendorOfVirtio{
    Register{"length", "uint8"},     Register{"cfg_type", "uint8"}, Register{"bar", "uint8"},
    Register{"padding", "uint8", 3}, Register{"offset", "le32"},    Register{"region", "le32"},
};
constexpr std::array kVendor{Register{"length", "uint8"}};
constexpr std::array kHotPlug{
    Register{"dword_select", "uint8"},
    Register{"pending", "uint8"},
    Register{"dword_data", "le32"},
};
constexpr std::array kSubsystem{
    Register{"reserved", "le16"},
    Register{"vendor_id", "le16"},
    Register{"subsystem_id", "le16"},
};
constexpr std::array kExpress{
    Register{"capabilities", "le16"},        Register{"device_capabilities", "le32"},
    Register{"device_control", "le16"},      Register{"device_status", "le16"},
    Register{"link_capabilities", "le32"},   Register{"link_control", "le16"},
    Register{"link_status", "le16"},         Register{"slot_capabilities", "le32"},
    Register{"slot_control", "le16"},        Register{"slot_status", "le16"},
    Register{"root_control", "le16"},        Register{"root_capabilities", "le16"},
    Register{"root_status", "le32"},         Register{"device_capabilities_2", "le32"},
    Register{"device_control_2", "le16"},    Register{"device_status_2", "le16"},
    Register{"link_capabilities_2", "le32"}, Register{"link_control_2", "le16"},
    Register{"link_status_2", "le16"},       Register{"slot_capabilities_2", "le32"},
    Register{"slot_control_2", "le16"},      Register{"slot_status_2", "le16"},
};
constexpr std::array kMsix{
    Register{"control", "le16"},
    Register{"table", "le32"},
    Register{"pending", "le32"},
};
constexpr std::array kAdvancedFeatures{
    Register{"length", "uint8"},
    Register{"capabilities", "uint8"},
    Register{"control", "uint8"},
    Register{"status", "uint8"},
};
constexpr std::array kErrorReporting{
    Register{"uncorrectable_status", "le32"},
    Register{"uncorrectable_mask", "le32"},
    Register{"uncorrectable_severity", "le32"},
    Register{"correctable_status", "le32"},
    Register{"correctable_mask", "le32"},
    Register{"control", "le32"},
    Register{"header_log", "le32", 4},
    Register{"root_command", "le32"},
    Register{"root_status", "le32"},
    Register{"error_source", "le32"},
};
constexpr std::array kSerialNumber{Register{"serial_number", "le64"}};
constexpr std::array kAccessControl{Register{"capabilities", "le16"}, Register{"control", "le16"}};

struct Capability {
  unsigned id;
  std::string_view name;
  std::span<const Register> registers = {};
};

constexpr std::array kCapabilities{
    Capability{0x01, "power_management", kPowerManagement},
    Capability{0x05, "msi"},
    Capability{0x08, "hypertransport"},
    Capability{0x09, "vendor"},
    Capability{0x0c, "hot_plug", kHotPlug},
    Capability{0x0d, "subsystem", kSubsystem},
    Capability{0x10, "express", kExpress},
    Capability{0x11, "msix", kMsix},
    Capability{0x12, "sata"},
    Capability{0x13, "advanced_features", kAdvancedFeatures},
};
constexpr std::array kExtendedCapabilities{
    Capability{0x0001, "error_reporting", kErrorReporting},
    Capability{0x0003, "serial_number", kSerialNumber},
    Capability{0x000d, "access_control", kAccessControl},
    Capability{0x000e, "alternative_routing", kAccessControl},
    Capability{0x000f, "address_translation", kAccessControl},
    Capability{0x0010, "single_root_io"},
};

const Capability* find_capability(std::span<const Capability> table, unsigned id) {
  auto found = std::ranges::find(table, id, &Capability::id);
  return found == table.end() ? nullptr : &*found;
}

uint64_t width_of(std::span<const Register> registers) {
  uint64_t sum = 0;
  for (const Register& one : registers) sum += scalar_size(one.type) * one.count;
  return sum;
}

void lay_out(LayoutWriter& out, std::span<const Register> registers) {
  for (const Register& one : registers) out.array(one.name, one.type, one.count);
}

uint64_t little_endian(std::span<const std::byte> bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[at + i]);
  return value;
}

std::span<const Register> registers_of(std::span<const std::byte> config, size_t at,
                                       const Capability& capability) {
  constexpr unsigned kVirtioVendor = 0x1af4;
  constexpr uint64_t kHas64Bits = 0x80;
  constexpr uint64_t kHasMask = 0x100;
  constexpr uint64_t kExpressVersion = 0x0f;
  constexpr size_t kRegistersOfExpress1 = 7;
  if (capability.name == "vendor") {
    bool virtio = little_endian(config, 0, 2) == kVirtioVendor;
    return virtio ? std::span<const Register>(kVendorOfVirtio) : kVendor;
  }
  uint64_t control = little_endian(config, at + 2, 2);
  if (capability.name == "express" && (control & kExpressVersion) == 1) {
    return capability.registers.first(kRegistersOfExpress1);
  }
  if (capability.name != "msi") return capability.registers;
  if (control & kHasMask) return control & kHas64Bits ? std::span(kMaskedMsi64) : kMaskedMsi32;
  return control & kHas64Bits ? std::span<const Register>(kMsi64) : kMsi32;
}

// Places of the capabilities. Both lists may be damaged: a place is taken once.
std::map<size_t, unsigned> find_capabilities(std::span<const std::byte> config) {
  std::map<size_t, unsigned> places;
  size_t at = std::to_integer<size_t>(config[kCapabilityPointer]) & ~size_t{3};
  while (at >= kHeaderBytes &&
         places.try_emplace(at, std::to_integer<unsigned>(config[at])).second) {
    at = std::to_integer<size_t>(config[at + 1]) & ~size_t{3};
  }
  return places;
}

std::map<size_t, unsigned> find_extended_capabilities(std::span<const std::byte> config) {
  constexpr size_t kNextShift = 20;
  std::map<size_t, unsigned> places;
  size_t at = config.size() > kConventionalBytes ? kConventionalBytes : 0;
  while (at >= kConventionalBytes && at + 4 <= config.size()) {
    uint64_t header = little_endian(config, at, 4);
    if (header == 0 || !places.try_emplace(at, static_cast<unsigned>(header & 0xffff)).second)
      break;
    at = (header >> kNextShift) & ~size_t{3};
  }
  return places;
}

// Lays out one list of capabilities, and what stands between them, up to `end`.
class CapabilityWriter {
 public:
  CapabilityWriter(LayoutWriter& out, std::span<const std::byte> config)
      : out_(out), config_(config) {}

  void write(const std::map<size_t, unsigned>& places, std::span<const Capability> known,
             bool extended, size_t end) {
    for (auto place = places.begin(); place != places.end(); ++place) {
      if (place->first < at()) continue;
      fill_to(place->first);
      auto next = std::next(place);
      size_t room = (next == places.end() ? end : next->first) - place->first;
      write_one(place->first, find_capability(known, place->second), extended, room);
    }
    fill_to(end);
  }

 private:
  size_t at() const { return config_.size() - out_.left(); }

  void fill_to(size_t end) {
    if (end > at()) out_.bytes(fmt::format("device_{:02x}", at()), end - at());
  }

  void write_one(size_t place, const Capability* known, bool extended, size_t room) {
    size_t head = extended ? 4 : 2;
    if (room < head) return;
    out_.open(fmt::format("{}_{:02x}", known ? known->name : "capability", place));
    if (extended) {
      out_.number("header", "le32");
    } else {
      out_.number("id", "uint8");
      out_.number("next", "uint8");
    }
    if (known && room > 4) {
      auto registers = registers_of(config_, place, *known);
      if (width_of(registers) <= room - head) lay_out(out_, registers);
    }
    out_.close();
  }

  LayoutWriter& out_;
  std::span<const std::byte> config_;
};

}  // namespace

void lay_out_pci_config(LayoutWriter& out) {
  auto config = out.rest();
  if (config.size() != kConventionalBytes && config.size() != kExpressBytes) return out.fail();
  lay_out(out, kCommonHeader);
  unsigned header_type = std::to_integer<unsigned>(config[kHeaderType]) & 0x7f;
  if (header_type == 0) lay_out(out, kDeviceHeader);
  if (header_type == 1) lay_out(out, kBridgeHeader);
  CapabilityWriter writer(out, config);
  auto places = header_type <= 1 ? find_capabilities(config) : std::map<size_t, unsigned>();
  writer.write(places, kCapabilities, false, kConventionalBytes);
  if (config.size() == kConventionalBytes) return;
  writer.write(find_extended_capabilities(config), kExtendedCapabilities, true, kExpressBytes);
}

void lay_out_pci_irq_state(LayoutWriter& out) {
  for (std::string_view pin : {"inta", "intb", "intc", "intd"}) out.number(pin, "uint32");
}

void lay_out_msix(LayoutWriter& out) {
  constexpr uint64_t kEntryBytes = 16;
  // 16 bytes an entry and one bit, rounded up to bytes: no two numbers of entries take the same.
  uint64_t entries = out.left() * 8 / (kEntryBytes * 8 + 1);
  if (entries == 0 || entries * kEntryBytes + (entries + 7) / 8 != out.left()) return out.fail();
  out.open_array("table", entries);
  out.number("address", "le64");
  out.number("data", "le32");
  out.number("vector_control", "le32");
  out.close();
  out.bytes("pending", out.left());
}

void lay_out_shpc(LayoutWriter& out) {
  constexpr uint64_t kSlotBytes = 4;
  for (std::string_view name : {"base_offset", "slots_available_1", "slots_available_2"}) {
    out.number(name, "le32");
  }
  out.number("slot_count", "uint8");
  out.number("first_device", "uint8");
  out.number("physical_slot", "le16");
  out.number("secondary_bus", "le16");
  out.number("msi_control", "uint8");
  out.number("interface", "uint8");
  out.number("command", "le16");
  out.number("command_status", "le16");
  for (std::string_view name : {"interrupt_locator", "error_locator", "error_interrupt"}) {
    out.number(name, "le32");
  }
  if (out.left() == 0 || out.left() % kSlotBytes != 0) return out.fail();
  out.open_array("slots", out.left() / kSlotBytes);
  out.number("status", "le16");
  out.number("event_latch", "uint8");
  out.number("event_mask", "uint8");
  out.close();
}

}  // namespace vmstream
