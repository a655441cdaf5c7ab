// SPDX-License-Identifier: MIT
#include "analysis/scan/known_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <span>
#include <string>

#include "base/damaged_name.h"
#include "base/endian.h"

namespace vmstream {
namespace {

// Fronts of versioned types that nearly every guest is of, and two whole names.
constexpr std::array<std::string_view, 7> kMachines{
    "pc-i440fx-", "pc-q35-", "virt-", "pseries-", "s390-ccw-virtio-", "isapc", "microvm"};
// Of QEMU's callers of register_savevm_live(), and of Proxmox.
constexpr std::array<std::string_view, 7> kIterables{
    "ram",        "block",    "dirty-bitmap", "spapr/htab", "s390-storage_attributes",
    "s390-skeys", "pbs-state"};
// Those that a destination compares (migration/savevm.c, should_validate_capability()).
constexpr std::array<std::string_view, 2> kCapabilities{"x-ignore-shared", "mapped-ram"};

// Of all releases up to 11.0 (qapi/migration.json). A destination refuses a name that it lacks.
constexpr std::array<std::string_view, 25> kAllCapabilities{"xbzrle",
                                                            "rdma-pin-all",
                                                            "x-rdma-pin-all",
                                                            "auto-converge",
                                                            "zero-blocks",
                                                            "compress",
                                                            "events",
                                                            "postcopy-ram",
                                                            "x-colo",
                                                            "release-ram",
                                                            "block",
                                                            "return-path",
                                                            "multifd",
                                                            "dirty-bitmaps",
                                                            "pause-before-switchover",
                                                            "validate-uuid",
                                                            "postcopy-blocktime",
                                                            "late-block-activate",
                                                            "x-ignore-shared",
                                                            "dirty-limit",
                                                            "background-snapshot",
                                                            "zero-copy-send",
                                                            "postcopy-preempt",
                                                            "mapped-ram",
                                                            "switchover-ack"};

// As boards, firmware and the tables of ACPI have them.
constexpr std::array<std::string_view, 9> kRamBlocks{"pc.ram",
                                                     "pc.bios",
                                                     "pc.rom",
                                                     "/rom@etc/acpi/tables",
                                                     "/rom@etc/acpi/rsdp",
                                                     "vga.vram",
                                                     "mach-virt.ram",
                                                     "/rom@etc/table-loader",
                                                     "isa-bios"};

bool is_nearly_one_of(std::string_view name, std::span<const std::string_view> known) {
  return std::ranges::any_of(known, [&](auto one) { return is_one_letter_off(name, one); });
}

}  // namespace

bool is_damaged_block(std::string_view name) {
  return std::ranges::any_of(kRamBlocks, [&](auto known) { return is_damaged_model(name, known); });
}

bool is_of_no_release(QemuVersion machine_since) {
  bool has_two_or_three_a_year = machine_since.major >= 3 && machine_since.major <= 10;
  return has_two_or_three_a_year && machine_since.minor > 2;
}

namespace {

// "7.2", "2.5.1", and what a distribution adds: "7.2+pve0", "2.11-sata". "rhel7.6.0" has a word
// first.
bool is_damaged_version(std::string_view text) {
  auto count_digits = [&text] {
    size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(digits);
    return digits;
  };
  if (count_digits() == 0) return false;
  if (!text.starts_with('.')) return true;
  text.remove_prefix(1);
  if (count_digits() == 0) return true;
  return !text.empty() && text[0] != '.' && text[0] != '-' && text[0] != '+';
}

}  // namespace

bool is_damaged_machine(std::string_view name) {
  bool has_odd_letter = std::ranges::any_of(name, [](unsigned char c) {
    return !std::isalnum(c) && c != '-' && c != '.' && c != '_' && c != '+';
  });
  return has_odd_letter || std::ranges::any_of(kMachines, [&](std::string_view front) {
           std::string_view begin = name.substr(0, front.size());
           bool has_version = front.ends_with('-') && begin == front;
           return is_one_letter_off(begin, front) ||
                  (has_version && is_damaged_version(name.substr(front.size())));
         });
}

bool is_damaged_iterable(std::string_view name) {
  return is_nearly_one_of(name, kIterables);
}

bool is_known_capability(std::string_view name) {
  return std::ranges::find(kAllCapabilities, name) != kAllCapabilities.end();
}

bool is_damaged_capability(std::string_view name) {
  return !is_printable(name) || is_nearly_one_of(name, kCapabilities);
}

namespace {

constexpr auto kPluggable = Instances::Pluggable;
constexpr auto kOfBoard = Instances::OfBoard;

// Names and versions are those of the VMStateDescriptions of QEMU, lengths those of the sections
// that 0.12 to 10.0 have written and described. None of these versions has been raised since 2.0,
// as an older release could not load the stream then.
constexpr std::array kDevices = {
    KnownDevice{"timer", 1, 2, 24},                   // softmmu/cpu-timers.c
    KnownDevice{"cpu_common", 1, 1, 8, kPluggable},   // cpu.c
    KnownDevice{"cpu", 3, 12, 1817, kPluggable},      // target/i386/machine.c
    KnownDevice{"kvm-tpr-opt", 1, 1, 144},            // hw/i386/vapic.c
    KnownDevice{"apic", 1, 3, 181, kPluggable},       // hw/intc/apic_common.c
    KnownDevice{"ioapic", 1, 3, 206, kOfBoard},       // hw/intc/ioapic_common.c
    KnownDevice{"i8259", 1, 1, 16, kOfBoard},         // hw/intc/i8259_common.c
    KnownDevice{"i8254", 1, 3, 108},                  // hw/timer/i8254_common.c
    KnownDevice{"hpet", 1, 2, 25, kOfBoard},          // hw/timer/hpet.c
    KnownDevice{"mc146818rtc", 1, 3, 245, kOfBoard},  // hw/rtc/mc146818rtc.c
    KnownDevice{"fw_cfg", 1, 2, 6},                   // hw/nvram/fw_cfg.c
    KnownDevice{"dma", 1, 1, 75, kOfBoard},           // hw/dma/i8257.c
    KnownDevice{"pcspk", 1, 1, 2},                    // hw/audio/pcspk.c
    KnownDevice{"pckbd", 3, 3, 4, kOfBoard},          // hw/input/pckbd.c
    KnownDevice{"port92", 1, 1, 1},                   // hw/i386/port92.c
    KnownDevice{"ps2kbd", 2, 3, 284, kOfBoard},       // hw/input/ps2.c
    KnownDevice{"ps2mouse", 2, 2, 291, kOfBoard},
    KnownDevice{"vmmouse", 0, 0, 4105, kOfBoard},       // hw/i386/vmmouse.c
    KnownDevice{"serial", 2, 3, 11, kPluggable, 0, 2},  // hw/char/serial.c
    KnownDevice{"parallel_isa", 1, 1, 12, kOfBoard},    // hw/char/parallel.c
    KnownDevice{"fdc", 2, 2, 545, kOfBoard, 593},       // hw/block/fdc.c
    KnownDevice{"PCIHost", 1, 1, 4, kOfBoard},          // hw/pci/pci_host.c
    KnownDevice{"PCIBUS", 1, 1, 4, kPluggable},         // hw/pci/pci.c
    KnownDevice{"I440FX", 1, 3, 277},                   // hw/pci-host/i440fx.c
    KnownDevice{"PIIX3", 2, 3, 292},                    // hw/isa/piix3.c
    KnownDevice{"mch", 1, 1, 277},                      // hw/pci-host/q35.c
    KnownDevice{"ICH9LPC", 1, 1},                       // hw/isa/lpc_ich9.c
    KnownDevice{"ich9_smb", 1, 1, 325},                 // hw/i2c/smbus_ich9.c
    KnownDevice{"piix4_pm", 1, 3},                      // hw/acpi/piix4.c
    KnownDevice{"i2c_bus", 1, 1, 1, kOfBoard},          // hw/i2c/core.c
    KnownDevice{"ide", 0, 3, 430, kOfBoard, 942, 0},    // hw/ide/pci.c
    KnownDevice{"isa-ide", 0, 3, 0, kOfBoard, 0, 0},    // hw/ide/isa.c
    KnownDevice{"acpi_build", 1, 1, 1},                 // hw/i386/acpi-build.c
    KnownDevice{"globalstate", 1, 1, 104},              // migration/global_state.c
};

// What else QEMU 7.2 for PCs declares (-dump-vmstate), and old-style devices. Releases differ in
// the versions of these, and others have more of them.
constexpr std::array<std::string_view, 129> kOtherNames{"SCSIDevice",
                                                        "ac97",
                                                        "acpi-erst",
                                                        "acpi-ged",
                                                        "amd-iommu",
                                                        "audio",
                                                        "bochs-display",
                                                        "ccid-card-passthru",
                                                        "cirrus_vga",
                                                        "cs4231a",
                                                        "ctucan_pci",
                                                        "dbus-vmstate",
                                                        "e1000",
                                                        "e1000e",
                                                        "eeprom",
                                                        "ehci",
                                                        "es1370",
                                                        "gpex_root",
                                                        "gus",
                                                        "hda-audio",
                                                        "hv-syndbg",
                                                        "i2c-ddc",
                                                        "i6300esb_wdt",
                                                        "i82374",
                                                        "i82801b11_bridge",
                                                        "ib700_wdt",
                                                        "ich9_ahci",
                                                        "imx.usbphy",
                                                        "intel-hda",
                                                        "ioh-3240-express-root-port",
                                                        "iommu-intel",
                                                        "ipmi-bmc-sim",
                                                        "ipmi-interface",
                                                        "ipmi-interface-pci-bt",
                                                        "ipmi-interface-pci-kcs",
                                                        "ipoctal232",
                                                        "ivshmem-doorbell",
                                                        "ivshmem-plain",
                                                        "kvaser_pci",
                                                        "kvmclock",
                                                        "lsiscsi",
                                                        "megasas",
                                                        "megasas-gen2",
                                                        "mioe3680_pci",
                                                        "mptsas",
                                                        "ne2000",
                                                        "nvme",
                                                        "ohci",
                                                        "pci-serial",
                                                        "pci-serial-multi",
                                                        "pci_bridge",
                                                        "pcie-pci-bridge",
                                                        "pcie-root-port",
                                                        "pciespscsi",
                                                        "pckbd-mmio",
                                                        "pcm3680i_pci",
                                                        "pcnet",
                                                        "pflash_cfi01",
                                                        "pvpanic-pci",
                                                        "pvscsi",
                                                        "qxl",
                                                        "rocker",
                                                        "rtl8139",
                                                        "sb16",
                                                        "scsi-disk",
                                                        "sd-card",
                                                        "sdhci",
                                                        "slirp",
                                                        "smbus-eeprom",
                                                        "smbus-ipmi",
                                                        "sysbus-ahci",
                                                        "sysbusespscsi",
                                                        "tpci200",
                                                        "tpm-crb",
                                                        "tpm-tis",
                                                        "tulip",
                                                        "u2f-key",
                                                        "u2f-key-passthru",
                                                        "uhci",
                                                        "usb-audio",
                                                        "usb-ccid",
                                                        "usb-host",
                                                        "usb-hub",
                                                        "usb-kbd",
                                                        "usb-mtp",
                                                        "usb-net",
                                                        "usb-ptr",
                                                        "usb-redir",
                                                        "usb-serial",
                                                        "usb-storage",
                                                        "usb-uas",
                                                        "usb-wacom",
                                                        "vga",
                                                        "vhost-user-blk",
                                                        "vhost-user-fs",
                                                        "vhost-user-gpio",
                                                        "vhost-user-i2c",
                                                        "vhost-user-input",
                                                        "vhost-user-rng",
                                                        "vhost-user-vsock",
                                                        "virtio-9p",
                                                        "virtio-balloon",
                                                        "virtio-blk",
                                                        "virtio-console",
                                                        "virtio-crypto",
                                                        "virtio-gpu",
                                                        "virtio-input",
                                                        "virtio-input-host",
                                                        "virtio-iommu",
                                                        "virtio-mem",
                                                        "virtio-mem-device-early",
                                                        "virtio-net",
                                                        "virtio-pmem",
                                                        "virtio-rng",
                                                        "virtio-scsi",
                                                        "virtio-sound",
                                                        "virtio-vga",
                                                        "virtio-vhost_scsi",
                                                        "virtio-vhost_vsock",
                                                        "vmbus-bridge",
                                                        "vmclock",
                                                        "vmcoreinfo",
                                                        "vmgenid",
                                                        "vmware_vga",
                                                        "vmxnet3",
                                                        "xhci",
                                                        "xhci-sysbus",
                                                        "xio3130-express-downstream-port",
                                                        "xio3130-express-upstream-port"};

struct KnownSubsection {
  std::string_view name;
  size_t body_bytes;
};
constexpr KnownSubsection kSubsections[] = {{"cpu/poll_control_msr", 8},
                                            {"cpu/msr_smi_count", 8},
                                            {"cpu/fpop_ip_dp", 18},
                                            {"cpu/tsc_khz", 8},
                                            {"apic_sipi", 8},
                                            {"fw_cfg/dma", 8},
                                            {"fw_cfg/acpi_mr", 24},
                                            {"pckbd/extended_state", 10}};

constexpr size_t kAddressBytes = 12;  // of a PCI device, "0000:00:01.3"
constexpr std::string_view kAddressForm = "xxxx:xx:xx.x/";

bool has_form(char letter, char form) {
  return form == 'x' ? std::isxdigit(static_cast<unsigned char>(letter)) != 0 : letter == form;
}

// So many letters in front are none that an address of a PCI device has there.
size_t count_odd_letters(std::string_view idstr) {
  if (idstr.size() <= kAddressForm.size()) return kAddressForm.size();
  size_t odd = 0;
  for (size_t i = 0; i < kAddressForm.size(); ++i) odd += !has_form(idstr[i], kAddressForm[i]);
  return odd;
}

std::string_view behind_path(std::string_view idstr) {
  return idstr.substr(idstr.rfind('/') + 1);
}

constexpr size_t kHpetTimerBytes = 42;
constexpr size_t kHpetCountOffset = 24;
// Of processors of 32 bits.
constexpr size_t kSmallCpuBytes = 1313;
constexpr size_t kLargestSmallCpuBytes = 1600;
// A mark, a counted name of nine letters ("fdc/phase"), a version and a byte.
constexpr size_t kShortestSubsectionBytes = 16;
constexpr uint32_t kVmmouseQueue = 1024;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

const KnownDevice* find_known_device(std::string_view idstr) {
  auto found = std::ranges::find(kDevices, behind_path(idstr), &KnownDevice::name);
  return found == kDevices.end() ? nullptr : found;
}

namespace {

bool is_known_name(std::string_view name) {
  return find_known_device(name) || std::ranges::find(kOtherNames, name) != kOtherNames.end();
}

}  // namespace

std::string find_nearly_known_name(std::string_view idstr) {
  if (count_odd_letters(idstr) == 1) {
    std::string_view name = idstr.substr(kAddressForm.size());
    return is_known_name(name) ? std::string(name) : "";
  }
  size_t path = has_pci_address(idstr) ? kAddressForm.size() : 0;
  std::string_view name = idstr.substr(path);
  if (is_known_name(name)) return "";
  auto is_near = [&](std::string_view known) { return is_damaged_model(name, known); };
  auto with_path = [&](std::string_view known) {
    return std::string(idstr.substr(0, path)).append(known);
  };
  auto device = std::ranges::find_if(kDevices, is_near, &KnownDevice::name);
  if (device != kDevices.end()) return with_path(device->name);
  auto other = std::ranges::find_if(kOtherNames, is_near);
  return other == kOtherNames.end() ? "" : with_path(*other);
}

bool has_pci_address(std::string_view idstr) {
  return count_odd_letters(idstr) == 0;
}

std::optional<size_t> plain_body_bytes(const KnownDevice& device, std::span<const std::byte> body) {
  if (device.body_bytes == 0 || device.nested_bytes > 0) return std::nullopt;
  if (device.name == "cpu" && body.size() < kLargestSmallCpuBytes) return kSmallCpuBytes;
  if (device.name == "PCIBUS" && body.size() >= device.body_bytes) {
    return device.body_bytes + 4 * size_t{load_be<uint32_t>(body.data())};
  }
  if (device.name == "hpet" && body.size() >= device.body_bytes) {
    return device.body_bytes + kHpetTimerBytes * std::to_integer<size_t>(body[kHpetCountOffset]);
  }
  return device.body_bytes;
}

std::optional<size_t> bytes_too_many(const KnownDevice& device, size_t body_bytes) {
  if (device.nested_bytes == 0) return std::nullopt;
  for (size_t usual : {device.body_bytes, device.nested_bytes}) {
    if (body_bytes > usual && body_bytes - usual < kShortestSubsectionBytes) {
      return body_bytes - usual;
    }
  }
  return std::nullopt;
}

bool is_too_short(const KnownDevice& device, size_t body_bytes) {
  if (device.nested_bytes == 0) return false;
  bool is_unusual = body_bytes < device.nested_bytes &&
                    device.nested_bytes - body_bytes < kShortestSubsectionBytes / 2;
  return body_bytes < device.body_bytes || is_unusual;
}

std::optional<size_t> subsection_bytes(std::span<const std::byte> bytes) {
  constexpr size_t kShortestHead = 7;
  if (bytes.size() < kShortestHead || bytes[0] != std::byte{5}) return 0;
  auto length = std::to_integer<size_t>(bytes[1]);
  if (bytes.size() < kShortestHead + length) return 0;
  std::string_view name = text_of(bytes.subspan(2, length));
  auto is_odd = [](char c) { return c <= ' ' || c >= 0x7f; };
  if (name.empty() || std::ranges::any_of(name, is_odd)) return 0;
  auto known = std::ranges::find(kSubsections, name, &KnownSubsection::name);
  if (known == std::end(kSubsections)) return std::nullopt;
  size_t whole = kShortestHead - 1 + length + known->body_bytes;
  return whole <= bytes.size() ? whole : 0;
}

namespace {

// Of the head whose name stands at `at`. In front of it are its length, the id and the type, behind
// it instance and version; one of them may be wrong.
std::optional<LikelyHead> judge_head(std::span<const std::byte> body, size_t at,
                                     const KnownDevice& device) {
  constexpr size_t kInFront = 6;
  constexpr size_t kBehind = 8;
  constexpr uint32_t kMostInstances = 0xffff;
  constexpr uint32_t kMostIds = 0xffff;
  size_t end = at + device.name.size();
  if (body.size() - end < kBehind) return std::nullopt;
  auto instance = load_be<uint32_t>(body.data() + end);
  auto version = load_be<uint32_t>(body.data() + end + 4);
  bool is_known = instance <= kMostInstances && version == device.highest_version;
  size_t name = at;
  bool on_pci =
      at > kAddressBytes &&
      has_pci_address(text_of(body.subspan(at - kAddressBytes - 1, end - at + kAddressBytes + 1)));
  if (on_pci) name -= kAddressBytes + 1;
  if (name < kInFront) return std::nullopt;
  const std::byte* head = body.data() + (name - kInFront);
  bool is_typed = head[0] == std::byte{1} || head[0] == std::byte{4};
  bool is_counted = std::to_integer<size_t>(head[5]) == end - name;
  bool is_numbered = load_be<uint32_t>(head + 1) <= kMostIds;
  if (is_typed + is_counted + is_numbered + is_known < 3) return std::nullopt;
  return LikelyHead{name - kInFront, &device, is_typed && is_counted && is_known};
}

}  // namespace

std::optional<LikelyHead> find_likely_head(std::span<const std::byte> body) {
  std::optional<LikelyHead> first;
  std::string_view text = text_of(body);
  for (const KnownDevice& device : kDevices) {
    size_t at = text.find(device.name);
    for (; at != std::string_view::npos; at = text.find(device.name, at + 1)) {
      auto head = judge_head(body, at, device);
      if (head && (!first || head->offset < first->offset)) first = head;
    }
  }
  return first;
}

std::optional<WrongCount> find_wrong_count(const KnownDevice& device,
                                           std::span<const std::byte> body) {
  if (body.size() < 4) return std::nullopt;
  auto found = load_be<uint32_t>(body.data());
  uint32_t wanted = found;
  if (device.name == "vmmouse" && body.size() == device.body_bytes) wanted = kVmmouseQueue;
  if (device.name == "PCIBUS" && body.size() % 4 == 0) {
    wanted = static_cast<uint32_t>(body.size() / 4 - 1);
  }
  if (found == wanted) return std::nullopt;
  return WrongCount{0, found, wanted};
}

}  // namespace vmstream
