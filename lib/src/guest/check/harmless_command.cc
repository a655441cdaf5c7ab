// SPDX-License-Identifier: MIT
#include "guest/check/harmless_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <vmstream/text.h>
#include "guest/check/disk_stand_ins.h"

namespace vmstream {
namespace {

using Names = std::span<const std::string_view>;

// What tells QEMU of the guest and is read at most.
constexpr std::string_view kKept[] = {"machine",
                                      "M",
                                      "cpu",
                                      "accel",
                                      "smp",
                                      "numa",
                                      "m",
                                      "global",
                                      "boot",
                                      "k",
                                      "name",
                                      "uuid",
                                      "usb",
                                      "vga",
                                      "acpitable",
                                      "smbios",
                                      "bios",
                                      "kernel",
                                      "append",
                                      "initrd",
                                      "dtb",
                                      "fw_cfg",
                                      "compat",
                                      "option-rom",
                                      "rtc",
                                      "nodefaults",
                                      "no-user-config",
                                      "nouserconfig",
                                      "no-reboot",
                                      "no-shutdown",
                                      "enable-kvm",
                                      "L",
                                      "no-acpi",
                                      "no-hpet",
                                      "no-fd-bootchk",
                                      "win2k-hack",
                                      "singlestep",
                                      "only-migratable",
                                      "watchdog",
                                      "watchdog-action",
                                      "seed",
                                      "prom-env",
                                      "g",
                                      "tb-size",
                                      "soundhw",
                                      "old-param",
                                      "shim"};

// What concerns the host alone.
constexpr std::string_view kDropped[] = {"S",          "qmp",
                                         "qmp-pretty", "mon",
                                         "pidfile",    "daemonize",
                                         "D",          "d",
                                         "dfilter",    "trace",
                                         "gdb",        "s",
                                         "snapshot",   "display",
                                         "vnc",        "spice",
                                         "sdl",        "curses",
                                         "gtk",        "full-screen",
                                         "portrait",   "rotate",
                                         "no-frame",   "alt-grab",
                                         "ctrl-grab",  "no-quit",
                                         "echr",       "action",
                                         "msg",        "sandbox",
                                         "runas",      "chroot",
                                         "run-with",   "async-teardown",
                                         "add-fd",     "overcommit",
                                         "mem-path",   "mem-prealloc",
                                         "iscsi",      "enable-sync-profile",
                                         "perfmap",    "jitdump",
                                         "audio-help"};

constexpr std::string_view kUsbDevices[] = {"tablet", "mouse", "keyboard", "wacom-tablet"};

// Backends of the host's that no device section depends on, of -object.
constexpr std::string_view kDroppedObjects[] = {
    "secret",          "secret_keyring",    "tls-creds-x509", "tls-creds-psk",
    "tls-creds-anon",  "tls-cipher-suites", "authz-simple",   "authz-list",
    "authz-list-file", "authz-pam",         "throttle-group", "input-linux",
    "input-barrier",   "pr-manager-helper", "qtest"};
constexpr std::string_view kKeptObjects[] = {
    "iothread", "cryptodev-backend", "cryptodev-backend-builtin",
    "can-bus",  "thread-context",    "rng-builtin"};

// Devices that are the host's, or another process's.
constexpr std::string_view kForeignDevices[] = {"vfio-",
                                                "vhost-",
                                                "ivshmem",
                                                "usb-host",
                                                "scsi-generic",
                                                "scsi-block",
                                                "kvm-pci-assign",
                                                "tpm-",
                                                "x-remote",
                                                "x-pci-proxy",
                                                "virtio-vga-gl",
                                                "virtio-gpu-gl",
                                                "virtio-gpu-rutabaga",
                                                "virtio-input-host",
                                                "u2f-passthru",
                                                "ccid-card-emulated",
                                                "usb-mtp",
                                                "s390-pci-vfio",
                                                "ap-vfio"};

bool is_among(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Error not_passed_on(const QemuOption& option, const std::string& why, std::string hint = {}) {
  return Error{.code = Errc::Unsupported,
               .message = fmt::format("-{} {}", escape(option.name), why),
               .hint = std::move(hint)};
}

class Replacer {
 public:
  explicit Replacer(const std::vector<QemuOption>& options) : options_(options), disks_(options) {}

  Result<HarmlessCommand> run();

 private:
  void keep(QemuOption option) { made_.options.push_back(std::move(option)); }
  void add(std::string name, std::string value) {
    keep({.name = std::move(name), .value = std::move(value)});
  }
  void leave_unchecked(std::string words) { made_.not_checked.push_back(std::move(words)); }

  Status add_harmless(const QemuOption& option);
  Status add_disk(Result<QemuOption> stand_in);
  Status add_network(const QemuOption& option);
  Status add_device(const QemuOption& option);
  Status add_object(const QemuOption& option);
  Status add_character(const QemuOption& option);
  void add_file_system(const QemuOption& option);
  void add_audio(const QemuOption& option);
  void add_serial(const QemuOption& option);

  const std::vector<QemuOption>& options_;
  DiskStandIns disks_;
  HarmlessCommand made_;
};

Status Replacer::add_disk(Result<QemuOption> stand_in) {
  if (!stand_in) return stand_in.error();
  keep(std::move(*stand_in));
  return ok();
}

// A network of the user's own leads nowhere as long as the guest does not run. What it cannot have
// is a tap's vnet_hdr, which virtio-net asks for.
Status Replacer::add_network(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "type");
  std::string type = value.get_or("type", "");
  if (type == "none" || type == "nic" || type == "hubport") {
    keep(option);
    return ok();
  }
  OptionValue stand_in = OptionValue::parse("type=user");
  for (std::string_view key : {"id", "model", "mac", "macaddr", "addr", "netdev", "vlan", "name"}) {
    if (auto given = value.get(key)) stand_in.set(key, *given);
  }
  if (type != "user") {
    leave_unchecked(fmt::format("network '{}' of type {}: offloads that virtio-net had from it",
                                escape(value.get_or("id", "")), escape(type)));
  }
  add(option.name, stand_in.text());
  return ok();
}

Status Replacer::add_device(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "driver");
  std::string driver = value.get_or("driver", "");
  for (std::string_view foreign : kForeignDevices) {
    if (!driver.starts_with(foreign)) continue;
    return not_passed_on(option,
                         escape(driver) + " takes a device of the host, or another process");
  }
  for (std::string_view key : {"sysfsdev", "vhostfd", "hostbus", "hostaddr", "hostdevice", "host",
                               "evdev", "rootdir", "wwpn"}) {
    if (!value.has(key)) continue;
    return not_passed_on(option,
                         fmt::format("{},{}= names something of the host", escape(driver), key));
  }
  keep(option);
  return ok();
}

Status Replacer::add_object(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "qom-type");
  std::string type = value.get_or("qom-type", "");
  bool is_memory = type.starts_with("memory-backend-");  // replaced with the memory
  if (is_memory || is_among(kKeptObjects, type)) {
    keep(option);
    return ok();
  }
  if (is_among(kDroppedObjects, type)) return ok();
  if (type == "rng-random" || type == "rng-egd") {
    add("object", "rng-builtin,id=" + value.get_or("id", ""));
    return ok();
  }
  return not_passed_on(option, escape(type) + " is not known to have no effect on the host");
}

Status Replacer::add_character(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "backend");
  OptionValue stand_in = OptionValue::parse("backend=null");
  stand_in.set("id", value.get_or("id", ""));
  if (auto mux = value.get("mux")) stand_in.set("mux", *mux);
  add("chardev", stand_in.text());
  return ok();
}

void Replacer::add_serial(const QemuOption& option) {
  bool is_none = *option.value == "none";
  if (option.is("monitor")) {
    add("monitor", "none");
  } else {
    add(option.name, is_none ? "none" : "null");
  }
}

void Replacer::add_file_system(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "fsdriver");
  OptionValue stand_in = OptionValue::parse("fsdriver=synth");
  for (std::string_view key : {"id", "mount_tag"}) {
    if (auto given = value.get(key)) stand_in.set(key, *given);
  }
  add(option.name, stand_in.text());
  leave_unchecked("files shared with the host");
}

void Replacer::add_audio(const QemuOption& option) {
  OptionValue value = OptionValue::parse(*option.value, "driver");
  OptionValue stand_in = OptionValue::parse("driver=none");
  for (std::string_view key : {"id", "model"}) {
    if (auto given = value.get(key)) stand_in.set(key, *given);
  }
  add(option.name, stand_in.text());
}

Status Replacer::add_harmless(const QemuOption& option) {
  const std::string& name = option.name;
  if (long_form_of_drive(option)) return add_disk(disks_.replace_drive(option));
  if (name == "blockdev") return add_disk(disks_.replace_node(option));
  if (name == "netdev" || name == "nic" || name == "net") return add_network(option);
  if (name == "device") return add_device(option);
  if (name == "object") return add_object(option);
  if (name == "chardev") return add_character(option);
  bool is_serial = name == "serial" || name == "parallel" || name == "debugcon";
  if (is_serial || name == "monitor") {
    add_serial(option);
  } else if (name == "fsdev" || name == "virtfs") {
    add_file_system(option);
  } else if (name == "audiodev" || name == "audio") {
    add_audio(option);
  } else if (name == "nographic") {
    add("machine", "graphics=off");
  } else if (name == "icount" && OptionValue::parse(*option.value, "shift").has("rr")) {
    return not_passed_on(option, "with rr= records or replays the guest");
  } else if (name == "usbdevice" && !is_among(kUsbDevices, *option.value)) {
    return not_passed_on(option, escape(*option.value) + " takes a device of the host");
  } else if (name == "set" && !option.value->starts_with("device.")) {
    return not_passed_on(option, "changes what was replaced",
                         "write the property where the thing itself is described");
  } else if (name == "vga" && *option.value == "qxl") {
    return not_passed_on(option, "qxl starts only with a SPICE server");
  } else if (is_among(kKept, name) || name == "icount" || name == "usbdevice" || name == "set") {
    keep(option);
  } else if (!is_among(kDropped, name)) {
    return not_passed_on(option, "is not known to have no effect on the host",
                         "leave it out if the guest's devices do not depend on it");
  }
  return ok();
}

Result<HarmlessCommand> Replacer::run() {
  for (const QemuOption& option : options_) {
    if (auto added = add_harmless(option); !added) return added.error();
  }
  add("display", "none");
  keep({.name = "S"});
  for (const std::string& disk : disks_.unknown()) leave_unchecked(disk);
  return std::move(made_);
}

}  // namespace

Result<HarmlessCommand> make_harmless(const std::vector<QemuOption>& options) {
  return Replacer(options).run();
}

}  // namespace vmstream
