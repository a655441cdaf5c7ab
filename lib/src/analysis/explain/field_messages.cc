// SPDX-License-Identifier: MIT
// Messages about what is inside devices: declarations of QEMU's (devices by their inner name,
// structs, subsections), and single fields.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "analysis/explain/message_explainer.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

const DeviceSubsection* find_subsection(const std::vector<DeviceSubsection>& list,
                                        std::string_view name);

const DeviceSubsection* find_subsection(const std::vector<DeviceField>& fields,
                                        std::string_view name) {
  for (const DeviceField& field : fields) {
    if (const auto* found = find_subsection(field.subsections, name)) return found;
    if (const auto* found = find_subsection(field.fields, name)) return found;
  }
  return nullptr;
}

const DeviceSubsection* find_subsection(const std::vector<DeviceSubsection>& list,
                                        std::string_view name) {
  for (const DeviceSubsection& subsection : list) {
    if (prints_as(subsection.name, name)) return &subsection;
    if (const auto* found = find_subsection(subsection.subsections, name)) return found;
    if (const auto* found = find_subsection(subsection.fields, name)) return found;
  }
  return nullptr;
}

const DeviceSubsection* find_subsection(const DeviceState& state, std::string_view name) {
  if (const auto* found = find_subsection(state.subsections, name)) return found;
  return find_subsection(state.fields, name);
}

// A message begins with a name of which only the last word is known.
bool is_called(std::string_view declared, std::string_view name) {
  if (!declared.ends_with(name)) return false;
  declared.remove_suffix(name.size());
  return declared.empty() || declared.ends_with(' ');
}

const DeviceField* find_struct(const std::vector<DeviceField>& fields, std::string_view name) {
  for (const DeviceField& field : fields) {
    if (is_called(field.vmsd_name, name)) return &field;
    if (const auto* found = find_struct(field.fields, name)) return found;
  }
  return nullptr;
}

uint64_t version_offset(const DeviceSubsection& subsection) {
  return subsection.offset + 1 + 1 + subsection.name.size();  // 0x05 and the name's length
}

}  // namespace

// Of a device, which stands in the head of its section; of a subsection; or of a struct, which is
// not in the stream. Of a subsection's version QEMU looks at the lowest byte only.
void MessageExplainer::inner_version(const Words& words) {
  const std::string& name = words[0];
  auto version = parse_number32(words[1]);
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    const SectionHeader& header = device.header;
    const auto* description = described(device);
    if (description != nullptr && is_called(description->vmsd_name, name)) {
      if (version != header.version_id) continue;
      say(header.body_offset - 4,
          fmt::format("The section '{}' instance {} at {:#x} has version {}, given here. The "
                      "destination wants {} or another near to it.",
                      escape(header.idstr), header.instance_id, header.offset, header.version_id,
                      escape(words[2])));
      continue;
    }
    DeviceState state = decoded(device);
    if (const auto* subsection = find_subsection(state, name)) {
      if (version != (subsection->version & 0xff)) continue;
      say(version_offset(*subsection),
          fmt::format("The subsection '{}' of the section '{}' instance {} begins at {:#x}; its "
                      "version {} stands here. The destination knows version {}.",
                      escape(subsection->name), escape(header.idstr), header.instance_id,
                      subsection->offset, subsection->version, escape(words[2])));
      continue;
    }
    for (const Problem& problem : state.problems) {
      if (problem.message.find(escape(name)) == std::string::npos) continue;
      say(problem.offset,
          fmt::format("In the section '{}': {}.", escape(header.idstr), problem.message));
    }
    if (const auto* field = find_struct(state.fields, name)) {
      say(field->offset,
          fmt::format("The field '{}' of the section '{}' instance {}, a '{}', begins here. Its "
                      "version is not in the stream: the destination is of another release.",
                      escape(field->name), escape(header.idstr), header.instance_id,
                      escape(field->vmsd_name)),
          field->size());
    }
  }
  miss_thing(fmt::format("version {} of '{}'", escape(words[1]), escape(name)));
}

void MessageExplainer::subsection(const Words& words) {
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    DeviceState state = decoded(device);
    if (const auto* subsection = find_subsection(state, words[0])) {
      say(subsection->offset,
          fmt::format("The subsection '{}' (version {}, {} bytes) of the section '{}' instance {} "
                      "stands here: the destination does not know it, or could not take it.",
                      escape(subsection->name), subsection->version, subsection->size,
                      escape(device.header.idstr), device.header.instance_id),
          subsection->size);
    } else if (!failed_.idstr.empty()) {
      say_disagreement(device);
    }
  }
  miss_thing(fmt::format("subsection '{}'", escape(words[0])));
}

void MessageExplainer::say_declaration(const std::string& name, std::string_view text) {
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    DeviceState state = decoded(device);
    const auto* subsection = find_subsection(state, name);
    const auto* field = find_struct(state.fields, name);
    const auto* description = described(device);
    bool whole = description != nullptr && description->vmsd_name == name;
    if (subsection == nullptr && field == nullptr && !whole) continue;
    uint64_t at = subsection != nullptr ? subsection->offset
                  : field != nullptr    ? field->offset
                                        : device.header.offset;
    say_around(at, fmt::format("What '{}' of the section '{}' instance {} holds begins here. {}",
                               escape(name), escape(device.header.idstr), device.header.instance_id,
                               text));
  }
  miss_thing(fmt::format("'{}'", escape(name)));
}

void MessageExplainer::hook(const Words& words) {
  say_declaration(words[0], "It could be read, but the destination refused the values together.");
}

// "device/check" or "device/subsection/check"
void MessageExplainer::validation(const Words& words) {
  say_declaration(words[0].substr(0, words[0].rfind('/')),
                  fmt::format("The destination's check '{}' of it failed.",
                              escape(words[0].substr(words[0].rfind('/') + 1))));
}

void MessageExplainer::stream_error(const Words& words) {
  say_declaration(words[0], "The destination could not read all of it.");
  ended_early({words[1]});
}

namespace {

// Shows every field with the declaration it belongs to, as QEMU's messages name both.
using ShowField = std::function<void(std::string_view owner, const DeviceField&)>;

void walk_subsections(const std::vector<DeviceSubsection>& list, const ShowField& show);

void walk_fields(std::string_view owner, const std::vector<DeviceField>& fields,
                 const ShowField& show) {
  for (const DeviceField& field : fields) {
    if (field.index.value_or(0) == 0) show(owner, field);
    if (field.kind == ValueKind::List) {  // of elements with its name and owner
      walk_fields(owner, field.fields, show);
    } else {
      walk_fields(field.vmsd_name, field.fields, show);
    }
    walk_subsections(field.subsections, show);
  }
}

void walk_subsections(const std::vector<DeviceSubsection>& list, const ShowField& show) {
  for (const DeviceSubsection& subsection : list) {
    walk_fields(subsection.name, subsection.fields, show);
    walk_subsections(subsection.subsections, show);
  }
}

// Where a name is not unique, and in the elements of an array, a number stands behind it.
bool is_named(const DeviceField& field, std::string_view name) {
  auto rest = field.name;
  if (!rest.starts_with(name)) return false;
  rest.remove_prefix(name.size());
  return rest.empty() || (rest.starts_with('[') && rest.ends_with(']') &&
                          rest.find_first_not_of("0123456789", 1) == rest.size() - 1);
}

// A virtio device's transport is one opaque field that begins with the same as a PCI device does.
constexpr std::string_view kVirtioType = "virtio";
constexpr std::string_view kPciOwner = "PCIDevice";
constexpr uint64_t kPciVersionBytes = 4;
constexpr uint64_t kPciConfigBytes = 256;

struct Stretch {
  uint64_t offset = 0;
  std::span<const std::byte> bytes;
};

// Where the PCI configuration space of a device stands.
std::optional<Stretch> pci_config_of(const DeviceState& state, std::string_view vmsd_name) {
  std::optional<Stretch> config;
  walk_fields(vmsd_name, state.fields, [&](std::string_view owner, const DeviceField& field) {
    if (config) return;
    if (owner == kPciOwner && is_named(field, "config")) config = {field.offset, field.bytes};
    if (field.type == kVirtioType && field.size() >= kPciVersionBytes + kPciConfigBytes) {
      config = {field.offset + kPciVersionBytes,
                field.bytes.subspan(kPciVersionBytes, kPciConfigBytes)};
    }
  });
  return config;
}

std::string_view pci_register(uint64_t at) {
  struct Register {
    uint32_t first;
    uint32_t last;
    std::string_view name;
  };
  static constexpr std::array kRegisters{
      Register{0x00, 0x01, "vendor id"},        Register{0x02, 0x03, "device id"},
      Register{0x04, 0x05, "command"},          Register{0x06, 0x07, "status"},
      Register{0x08, 0x08, "revision"},         Register{0x09, 0x0b, "class"},
      Register{0x0e, 0x0e, "header type"},      Register{0x10, 0x27, "base address"},
      Register{0x2c, 0x2d, "subsystem vendor"}, Register{0x2e, 0x2f, "subsystem id"},
      Register{0x30, 0x33, "ROM address"},      Register{0x34, 0x34, "first capability"},
      Register{0x3d, 0x3d, "interrupt pin"},
  };
  for (const Register& one : kRegisters) {
    if (at >= one.first && at <= one.last) return one.name;
  }
  return at >= 0x40 ? "capability or device specific" : "header";
}

}  // namespace

void MessageExplainer::say_field(const KeptDevice& device, const DeviceField& field) {
  say(field.offset,
      fmt::format("The field '{}' ({}, {} bytes) of the section '{}' instance {} stands here: {}. "
                  "The destination refused this value, or the fields in front of it are not the "
                  "ones it expects.",
                  escape(field.name), escape(field.type), field.size(), escape(device.header.idstr),
                  device.header.instance_id, hex_of(field.bytes)),
      field.size());
}

// The declaration may be that of a device, a struct in it or a subsection.
void MessageExplainer::field(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (words[0] == "configuration") {
    if (!say_damage(find_damage("machine type")) && configuration) {
      say(configuration->offset, "The configuration stands here.");
    }
    return;
  }
  if (!found_.vmdesc) {
    miss("The stream has no description, so that the place of a field cannot be told.");
    return;
  }
  std::string name = first_word(words[1]);
  for (const auto& device : found_.devices.devices()) {
    if (described(device) == nullptr || !is_meant(device)) continue;
    DeviceState state = decoded(device);
    auto show = [&](std::string_view owner, const DeviceField& field) {
      if (owner == words[0] && is_named(field, name)) say_field(device, field);
      if (failed_.idstr.empty() || words[0] != kPciOwner || field.type != kVirtioType) return;
      // Its inside is not described.
      bool config = name == "config";
      if (config || name == "version_id") {
        say(field.offset + (config ? kPciVersionBytes : 0),
            fmt::format("The PCI device's '{}' stands here, inside of the field '{}' of the "
                        "section '{}'.",
                        escape(name), escape(field.name), escape(device.header.idstr)),
            config ? kPciConfigBytes : kPciVersionBytes);
      }
    };
    walk_fields(described(device)->vmsd_name, state.fields, show);
    walk_subsections(state.subsections, show);
  }
  miss_thing(fmt::format("field '{}' of '{}'", escape(name), escape(words[0])));
}

// QEMU 11 names the type of a field instead of what it belongs to.
void MessageExplainer::element(const Words& words) {
  std::string name = words[1].substr(0, words[1].find(':'));
  for (const auto& device : found_.devices.devices()) {
    if (described(device) == nullptr || !is_meant(device)) continue;
    DeviceState state = decoded(device);
    auto show = [&](std::string_view, const DeviceField& field) {
      if (field.type == words[0] && is_named(field, name)) say_field(device, field);
    };
    walk_fields(described(device)->vmsd_name, state.fields, show);
    walk_subsections(state.subsections, show);
  }
  miss_thing(fmt::format("a field '{}' of type '{}'", escape(name), escape(words[0])));
}

void MessageExplainer::pci_config(const Words& words) {
  auto at = parse_hex_number(words[0]);
  auto read = parse_hex_number(words[1]);
  if (!at || !read) return;
  for (const auto& device : found_.devices.devices()) {
    if (described(device) == nullptr || !is_meant(device)) continue;
    DeviceState state = decoded(device);
    auto config = pci_config_of(state, described(device)->vmsd_name);
    if (!config || *at >= config->bytes.size()) continue;
    if (std::to_integer<uint64_t>(config->bytes[*at]) != *read) continue;
    say(config->offset + *at,
        fmt::format("Byte {:#x} ({}) of the PCI configuration of the section '{}' stands here: "
                    "0x{:02x}. The destination's device has 0x{}, and no guest can change it: the "
                    "device is of another kind, or was started with other options.",
                    *at, pci_register(*at), escape(device.header.idstr), *read, escape(words[2])),
        1);
  }
  miss_thing(fmt::format("byte {:#x} of a PCI configuration that is 0x{:02x}", *at, *read));
}

// The guest's, which QEMU takes for a word of its own.
// One whose first byte is zero is printed as nothing.
void MessageExplainer::no_run_state(const Words&) {
  run_state({""});
}

void MessageExplainer::run_state(const Words& words) {
  for (const auto& device : found_.devices.devices()) {
    if (device.header.idstr != "globalstate") continue;
    DeviceState state = decoded(device);
    auto field = find_field(state, "runstate").field;
    if (!field ||
        !prints_as({reinterpret_cast<const char*>(field->bytes.data()), field->size()}, words[0])) {
      continue;
    }
    say_field(device, *field);
  }
  miss_thing(fmt::format("a run state '{}'", escape(words[0])));
}

}  // namespace vmstream
