// SPDX-License-Identifier: MIT
// From names of sections and of RAM blocks back to what somebody typed.
#include "analysis/summary/guest_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <set>

#include <vmstream/command.h>
#include <vmstream/text.h>

namespace vmstream {
namespace {

struct NamedType {
  std::string_view section;  // as it stands behind the place of a PCI device
  std::string_view type;     // for -device
};

// Where two types have one section, as the two virtio-net-pci have, the usual one.
constexpr std::array kTypes{
    NamedType{"ac97", "AC97"},
    NamedType{"acpi-erst", "acpi-erst"},
    NamedType{"ahci", "ich9-ahci"},
    NamedType{"am53c974", "am53c974"},
    NamedType{"cirrus_vga", "cirrus-vga"},
    NamedType{"e1000", "e1000"},
    NamedType{"e1000e", "e1000e"},
    NamedType{"ehci", "usb-ehci"},
    NamedType{"es1370", "ES1370"},
    NamedType{"i6300esb_wdt", "i6300esb"},
    NamedType{"i82559er", "i82559er"},
    NamedType{"i82801", "i82801"},
    NamedType{"i82801b11_bridge", "i82801b11-bridge"},
    NamedType{"ich9_ahci", "ich9-ahci"},
    NamedType{"igb", "igb"},
    NamedType{"intel-hda", "intel-hda"},
    NamedType{"ioh-3240-express-root-port", "ioh3420"},
    NamedType{"lsiscsi", "lsi53c895a"},
    NamedType{"megasas", "megasas"},
    NamedType{"megasas-gen2", "megasas-gen2"},
    NamedType{"mptsas", "mptsas1068"},
    NamedType{"ne2000", "ne2k_pci"},
    NamedType{"ohci", "pci-ohci"},
    NamedType{"pci_bridge", "pci-bridge"},
    NamedType{"pcie-root-port", "pcie-root-port"},
    NamedType{"pcnet", "pcnet"},
    NamedType{"pvpanic-pci", "pvpanic-pci"},
    NamedType{"pvscsi", "pvscsi"},
    NamedType{"qxl", "qxl-vga"},
    NamedType{"rtl8139", "rtl8139"},
    NamedType{"sdhci", "sdhci-pci"},
    NamedType{"tpci200", "tpci200"},
    NamedType{"tulip", "tulip"},
    NamedType{"vga", "VGA"},
    NamedType{"virtio-9p", "virtio-9p-pci"},
    NamedType{"virtio-balloon", "virtio-balloon-pci"},
    NamedType{"virtio-blk", "virtio-blk-pci"},
    NamedType{"virtio-console", "virtio-serial-pci"},
    NamedType{"virtio-crypto", "virtio-crypto-pci"},
    NamedType{"virtio-gpu", "virtio-gpu-pci"},
    NamedType{"virtio-iommu", "virtio-iommu-pci"},
    NamedType{"virtio-mem", "virtio-mem-pci"},
    NamedType{"virtio-net", "virtio-net-pci"},
    NamedType{"virtio-rng", "virtio-rng-pci"},
    NamedType{"virtio-scsi", "virtio-scsi-pci"},
    NamedType{"vmware_vga", "vmware-svga"},
    NamedType{"vmxnet3", "vmxnet3"},
    NamedType{"xhci", "qemu-xhci"},
    NamedType{"xio3130-express-downstream-port", "xio3130-downstream"},
    NamedType{"xio3130-express-upstream-port", "x3130-upstream"},
};

// Behind the place of a controller and the port: "0000:00:04.0/4.1/usb-storage".
constexpr std::array kUsbTypes{
    NamedType{"usb-audio", "usb-audio"},
    NamedType{"usb-ccid", "usb-ccid"},
    NamedType{"usb-host", "usb-host"},
    NamedType{"usb-hub", "usb-hub"},
    NamedType{"usb-kbd", "usb-kbd"},
    NamedType{"usb-mtp", "usb-mtp"},
    NamedType{"usb-net", "usb-net"},
    NamedType{"usb-ptr", "usb-tablet"},
    NamedType{"usb-redir", "usb-redir"},
    NamedType{"usb-serial", "usb-serial"},
    NamedType{"usb-storage", "usb-storage"},
    NamedType{"usb-uas", "usb-uas"},
    NamedType{"usb-wacom", "usb-wacom-tablet"},
};

struct NamedOption {
  std::string_view section;  // its whole name
  std::string_view option;
};

// Those of a PC that have no place in front of their name, and that no machine has of itself.
constexpr std::array kOptions{
    NamedOption{"amd-iommu", "-device amd-iommu"},
    NamedOption{"cs4231a", "-device cs4231a"},
    NamedOption{"dbus-vmstate", "-object dbus-vmstate"},
    NamedOption{"gus", "-device gus"},
    NamedOption{"hda-audio", "-device hda-duplex"},
    NamedOption{"hv-syndbg", "-device hv-syndbg"},
    NamedOption{"i82374", "-device i82374"},
    NamedOption{"ib700_wdt", "-device ib700"},
    NamedOption{"iommu-intel", "-device intel-iommu"},
    NamedOption{"ipmi-bmc-sim", "-device ipmi-bmc-sim"},
    NamedOption{"ipmi-interface", "-device isa-ipmi-kcs"},
    NamedOption{"ipoctal232", "-device ipoctal232"},
    NamedOption{"ne2000", "-device ne2k_isa"},
    NamedOption{"sb16", "-device sb16"},
    NamedOption{"sd-card", "-device sd-card"},
    NamedOption{"slirp", "-netdev user,id=net"},
    NamedOption{"tpm-crb", "-device tpm-crb"},
    NamedOption{"tpm-tis", "-device tpm-tis"},
    NamedOption{"vmbus-bridge", "-device vmbus-bridge"},
    NamedOption{"vmclock", "-device vmclock"},
    NamedOption{"vmcoreinfo", "-device vmcoreinfo"},
    NamedOption{"vmgenid", "-device vmgenid"},
};

// Come with a machine.
constexpr std::array<std::string_view, 9> kOfMachine = {
    "I440FX", "PIIX3", "piix4_pm", "mch", "ICH9LPC", "ich9_smb", "gpex_root", "raven", "ide"};
// Behind others in the same place, and part of them.
constexpr std::array<std::string_view, 3> kOfAnother = {"eeprom", "virtio-mem-device-early",
                                                        "vhost-user-fs"};

struct PowerType {
  uint32_t version;
  std::string_view name;
};

constexpr std::array kPowerTypes{
    PowerType{0x003f0203, "power7_v2.3"},  PowerType{0x004a0201, "power7+_v2.1"},
    PowerType{0x004b0201, "power8e_v2.1"}, PowerType{0x004c0100, "power8nvl_v1.0"},
    PowerType{0x004d0200, "power8_v2.0"},  PowerType{0x004e0100, "power9_v1.0"},
    PowerType{0x004e1200, "power9_v2.0"},  PowerType{0x004e1202, "power9_v2.2"},
    PowerType{0x00800100, "power10_v1.0"}, PowerType{0x00801200, "power10_v2.0"},
};

// Names of the stream's become words of a command line: whoever copies it runs nothing else.
std::string shell_word(std::string_view word) {
  auto is_plain = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::string_view("_-.,:+@=/").find(letter) != std::string::npos;
  };
  return std::ranges::all_of(word, is_plain) ? std::string(word) : quote_for_shell(word);
}

template <typename Table>
bool is_one_of(const Table& table, std::string_view name) {
  return std::ranges::find(table, name) != table.end();
}

// "0000:00:03.0" of a place on the first bus, which is what addr= speaks of.
struct PciPlace {
  unsigned slot = 0;
  unsigned function = 0;
};

std::optional<PciPlace> pci_place(std::string_view path) {
  constexpr std::string_view kFirstBus = "0000:00:";
  constexpr size_t kLength = 12;
  if (!path.starts_with(kFirstBus) || path.size() != kLength || path[10] != '.') {
    return std::nullopt;
  }
  PciPlace place;
  auto slot = std::from_chars(path.data() + 8, path.data() + 10, place.slot, 16);
  auto function = std::from_chars(path.data() + 11, path.data() + 12, place.function, 16);
  bool is_whole = slot.ptr == path.data() + 10 && function.ptr == path.data() + 12;
  return is_whole ? std::optional(place) : std::nullopt;
}

std::string pci_argument(std::string_view type, std::string_view path) {
  auto place = pci_place(path);
  if (!place) return fmt::format("-device {}", type);
  std::string function = place->function == 0 ? "" : fmt::format(".{:x}", place->function);
  return fmt::format("-device {},addr={:#x}{}", type, place->slot, function);
}

bool consists_of(std::string_view text, std::string_view letters) {
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

// "4.1/usb-storage" on a USB controller, "0:1:0/scsi-disk" on a SCSI controller: channel, target
// and unit. The disk of a USB storage is part of that.
std::optional<StartDevice> device_on_bus(const std::string& idstr, std::string_view behind) {
  size_t slash = behind.find('/');
  std::string_view place = behind.substr(0, slash);
  std::string_view name = behind.substr(slash + 1);
  auto usb = std::ranges::find(kUsbTypes, name, &NamedType::section);
  if (usb != kUsbTypes.end() && consists_of(place, "0123456789.")) {
    return StartDevice{idstr, fmt::format("-device {},port={}", usb->type, place)};
  }
  size_t target = place.find(':');
  size_t unit = place.rfind(':');
  if (name != "scsi-disk" || target == unit || !consists_of(place, "0123456789:")) {
    return std::nullopt;
  }
  return StartDevice{
      idstr, fmt::format("-device scsi-hd,channel={},scsi-id={},lun={}", place.substr(0, target),
                         place.substr(target + 1, unit - target - 1), place.substr(unit + 1))};
}

// One without a place, which its name tells.
std::optional<StartDevice> device_of_pc(const std::string& idstr) {
  auto known = std::ranges::find(kOptions, std::string_view(idstr), &NamedOption::section);
  if (known == kOptions.end()) return std::nullopt;
  return StartDevice{idstr, std::string(known->option)};
}

// A device with a place in front of its name: "0000:00:03.0/virtio-net".
std::optional<StartDevice> device_of(const SectionHeader& header, std::set<std::string>& places) {
  constexpr std::string_view kMmio = "virtio-mmio@";
  size_t slash = header.idstr.find('/');
  if (slash == std::string::npos) return std::nullopt;
  std::string path = header.idstr.substr(0, slash);
  std::string name = header.idstr.substr(slash + 1);
  if (path.starts_with(kMmio))
    return StartDevice{header.idstr, "-device " + shell_word(name + "-device")};
  if (path.find(':') == std::string::npos) return std::nullopt;
  if (name.find('/') != std::string::npos) return device_on_bus(header.idstr, name);
  if (is_one_of(kOfMachine, name) || is_one_of(kOfAnother, name)) return std::nullopt;
  bool is_of_q35 = name == "ich9_ahci" && path == "0000:00:1f.2";
  if (is_of_q35 || !places.insert(path).second) return std::nullopt;
  auto known = std::ranges::find(kTypes, std::string_view(name), &NamedType::section);
  if (known == kTypes.end()) return StartDevice{header.idstr, ""};
  return StartDevice{header.idstr, pci_argument(known->type, path)};
}

bool is_main_memory(std::string_view block) {
  return block == "ram" || block.ends_with(".ram") || block.ends_with("_ram") ||
         block.starts_with("ram-node");
}

// Those of a machine, and what stands behind the place of a device, are no memory of its own.
bool is_backend(std::string_view block) {
  constexpr std::array<std::string_view, 5> kOfMachines = {"bios", "flash", "rom", "sram",
                                                           "vmclock_page"};
  return block.find_first_of("/.@") == std::string_view::npos &&
         std::ranges::none_of(
             kOfMachines, [&](auto word) { return block.find(word) != std::string_view::npos; });
}

// A block of the machine's own name is its memory, and then one of another name was plugged in.
// With -machine memory-backend= the block has the name that the user gave: the first and largest.
void add_memory(const StreamSummary& summary, StartArguments& start) {
  std::vector<const RamBlock*> others;
  for (const auto& [block, pages, absent] : summary.blocks) {
    if (block.name.find('/') != std::string::npos) continue;
    if (is_main_memory(block.name)) {
      start.memory_bytes += block.used_length;
    } else if (is_backend(block.name)) {
      others.push_back(&block);
    }
  }
  if (start.memory_bytes == 0 && !others.empty()) {
    auto largest = std::ranges::max_element(
        others, {}, [](const RamBlock* block) { return block->used_length; });
    start.memory_bytes = (*largest)->used_length;
    start.devices.push_back(
        {(*largest)->name,
         fmt::format("-object memory-backend-ram,id={0},size={1} -machine "
                     "memory-backend={0}",
                     shell_word((*largest)->name), memory_argument((*largest)->used_length))});
    others.erase(largest);
  }
  // A DIMM, or memory of another device: which one is not told.
  for (const RamBlock* block : others) start.devices.push_back({block->name, ""});
}

void add_devices(const StreamSummary& summary, StartArguments& start) {
  bool is_pc = start.machine.starts_with("pc-") || start.machine == "isapc";
  std::set<std::string> places;
  uint64_t states = 0;  // of processors
  uint64_t commons = 0;
  for (const DeviceSummary& device : summary.devices) {
    const SectionHeader& header = device.header;
    if (header.idstr == "cpu") ++states;
    if (header.idstr == "cpu_common") ++commons;
    start.kvm = start.kvm || header.idstr == "kvmclock";
    auto found = device_of(header, places);
    if (!found && is_pc) found = device_of_pc(header.idstr);
    if (found) start.devices.push_back(std::move(*found));
  }
  start.cpus = std::max(states, commons);
}

// Without this option the machines of a PC have, among others, a parallel port.
void add_defaults(const StreamSummary& summary, StartArguments& start) {
  auto named = [](std::string_view name) {
    return [name](const DeviceSummary& device) { return device.header.idstr == name; };
  };
  bool is_pc = (start.machine.starts_with("pc-") || start.machine == "isapc") &&
               std::ranges::any_of(summary.devices, named("mc146818rtc"));
  start.nodefaults = is_pc && std::ranges::none_of(summary.devices, named("parallel_isa"));
  if (!start.nodefaults) return;
  for (const DeviceSummary& device : summary.devices) {
    if (named("serial")(device)) start.devices.push_back({"serial", "-device isa-serial"});
  }
}

}  // namespace

std::string memory_argument(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGT";
  std::string text = fmt::format("{}B", bytes);
  for (char unit : kUnits) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    text = fmt::format("{}{}", bytes, unit);
  }
  return text;
}

std::string StartArguments::text() const {
  std::string text;
  auto add = [&text](std::string_view option, const std::string& value) {
    if (value.empty()) return;
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", option, shell_word(value));
  };
  add("-machine", machine);
  add("-accel", kvm ? "kvm" : "");
  add("-cpu", cpu);
  add("-m", memory_bytes > 0 ? memory_argument(memory_bytes) : "");
  add("-smp", cpus > 0 ? fmt::to_string(cpus) : "");
  add("-uuid", uuid);
  if (nodefaults) text += " -nodefaults";
  return text;
}

StartArguments start_arguments(const StreamSummary& summary,
                               std::optional<uint32_t> power_version) {
  StartArguments start;
  if (summary.configuration) {
    start.machine = summary.configuration->machine;
    if (summary.configuration->uuid) start.uuid = uuid_text(*summary.configuration->uuid);
  }
  add_memory(summary, start);
  add_devices(summary, start);
  add_defaults(summary, start);
  auto power = std::ranges::find(kPowerTypes, power_version.value_or(0), &PowerType::version);
  bool is_power = start.machine.starts_with("pseries") || start.machine.starts_with("powernv");
  if (is_power && power != kPowerTypes.end()) start.cpu = power->name;
  return start;
}

}  // namespace vmstream
