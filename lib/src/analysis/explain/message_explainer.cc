// SPDX-License-Identifier: MIT
#include "analysis/explain/message_explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <span>

#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

using Words = MessageExplainer::Words;

std::string first_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

std::optional<uint32_t> number(const std::string& text) {
  std::string digits = first_word(text);
  while (!digits.empty() && (digits.back() == '.' || digits.back() == ',')) digits.pop_back();
  auto value = parse_size(digits);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

// QEMU prints some numbers as bare hex digits.
std::optional<uint32_t> hex_number(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr size_t kShown = 16;
  auto front = bytes.first(std::min(kShown, bytes.size()));
  return fmt::format("{:02x}{}", fmt::join(front, " "), bytes.size() > kShown ? " …" : "");
}

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

const DeviceSubsection* find_subsection(const std::vector<DeviceSubsection>& list,
                                        std::string_view name) {
  for (const DeviceSubsection& subsection : list) {
    if (subsection.name == name) return &subsection;
    if (const auto* nested = find_subsection(subsection.subsections, name)) return nested;
  }
  return nullptr;
}

// Names of the elements of an array carry their number in many releases.
bool is_named(const DeviceField& field, const std::string& name) {
  return field.name == name || field.name == name + "[0]";
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

constexpr uint64_t kFooterBytes = 5;

std::string_view pci_register(uint32_t at) {
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

std::optional<Words> match_message(std::string_view pattern, std::string_view line) {
  Words words;
  size_t star = pattern.find('*');
  size_t at = line.find(pattern.substr(0, star));
  if (at == std::string_view::npos) return std::nullopt;
  at += std::min(star, pattern.size());
  while (star != std::string_view::npos) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    auto literal = pattern.substr(0, star);
    size_t end = literal.empty() ? line.size() : line.find(literal, at);
    if (end == std::string_view::npos) return std::nullopt;
    words.emplace_back(line.substr(at, end - at));
    at = end + literal.size();
  }
  return words;
}

MessageExplainer::MessageExplainer(const LoadFindings& found, std::string_view message)
    : found_(found) {
  auto device = match_message("error while loading state for instance * of device '*'", message);
  if (device) {
    instance_ = number((*device)[0]);
    idstr_ = (*device)[1];
  }
  unknown_subsection_ = message.find("No such file or directory") != std::string_view::npos;
}

// ---- Sections --------------------------------------------------------------------------------

void MessageExplainer::unknown_section(const Words& words) {
  size_t told = advice_.size();
  auto instance = number(words[1]);
  auto is = [&](const SectionHeader& header) {
    return header.idstr == words[0] && (!instance || *instance == header.instance_id);
  };
  const Vmdesc* vmdesc = found_.vmdesc.get();
  for (const auto& device : found_.devices.devices()) {
    if (!is(device.header)) continue;
    bool described = vmdesc == nullptr ||
                     vmdesc->find(device.header.idstr, device.header.instance_id) != nullptr;
    say(device.header.offset,
        fmt::format("The section '{}' instance {} (version {}) begins here, {} bytes long. {}",
                    escape(words[0]), device.header.instance_id, device.header.version_id,
                    device.end.end_offset - device.header.offset,
                    described
                        ? "The destination has no such device: start it with the device that the "
                          "source had, in the same slot."
                        : "The stream's own description has no such section either: its name or "
                          "instance id is damaged."));
  }
  for (const auto& iterable : found_.summary.iterables) {
    if (!is(iterable.start)) continue;
    say(iterable.start.offset,
        fmt::format("The section '{}' starts here. The destination has nothing of that name: a "
                    "capability or a device is missing.",
                    escape(words[0])));
  }
  not_found(told, fmt::format("section '{}' instance {}", escape(words[0]),
                              instance ? std::to_string(*instance) : escape(words[1])));
}

void MessageExplainer::unknown_slice(const Words& words) {
  if (!say_damage()) {
    not_found(advice_.size(), fmt::format("section id {}", escape(words[0])));
  }
}

void MessageExplainer::unknown_record(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  if (number(words[0]) == static_cast<uint32_t>(SectionType::Configuration) && configuration) {
    say(configuration->offset,
        "The configuration stands here, and the destination expects none: its machine type is too "
        "old for it, or it was started with -global migration.send-configuration=off.");
    return;
  }
  if (!say_damage()) {
    not_found(advice_.size(), fmt::format("record type {}", escape(words[0])));
  }
}

void MessageExplainer::version(const Words& words) {
  size_t told = advice_.size();
  constexpr uint64_t kVersionBytes = 4;
  auto tell = [&](const SectionHeader& header) {
    if (header.idstr != words[1]) return;
    say(header.body_offset - kVersionBytes,
        fmt::format("The section '{}' at {:#x} has version {}, given here; the destination knows "
                    "versions up to {}: it is older than the source.",
                    escape(words[1]), header.offset, header.version_id,
                    escape(first_word(words[2]))));
  };
  for (const auto& device : found_.devices.devices()) tell(device.header);
  for (const auto& iterable : found_.summary.iterables) tell(iterable.start);
  not_found(told, fmt::format("section '{}'", escape(words[1])));
}

// The version of a subsection, or of a struct, which is not in the stream.
void MessageExplainer::inner_version(const Words& words) {
  size_t told = advice_.size();
  std::string name = words[0].substr(words[0].rfind(' ') + 1);
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    DeviceState state = decoded(device);
    if (const auto* subsection = find_subsection(state.subsections, name)) {
      uint64_t version_at = subsection->offset + 2 + subsection->name.size();
      say(version_at,
          fmt::format("The subsection '{}' of the section '{}' instance {} begins at {:#x}; its "
                      "version {} stands here. The destination knows version {}.",
                      escape(name), escape(device.header.idstr), device.header.instance_id,
                      subsection->offset, subsection->version, escape(words[2])));
    }
    for (const Problem& problem : state.problems) {
      if (problem.message.find(escape(name)) != std::string::npos) {
        say(problem.offset,
            fmt::format("In the section '{}': {}.", escape(device.header.idstr), problem.message));
      }
    }
  }
  if (idstr_.empty()) not_found(told, fmt::format("declaration '{}'", escape(name)));
}

void MessageExplainer::say_footer(const KeptDevice& device) {
  const SectionHeader& header = device.header;
  say(device.end.footer ? device.end.end_offset - kFooterBytes : device.end.end_offset,
      fmt::format("The section '{}' instance {} ends here. The destination did not find the footer "
                  "where it stopped reading, so that it takes more or fewer bytes than the {} of "
                  "the body at {:#x}: its version or options of this device differ{}.",
                  escape(header.idstr), header.instance_id, device.end.body_length,
                  header.body_offset,
                  device.end.footer ? "" : "; the stream has no footer there at all"));
  say_disagreement(device);
}

// The footer of a section that could not be read for the want of it.
void MessageExplainer::say_lost_footer(const std::string& idstr) {
  if (!found_.vmdesc) return;
  constexpr uint64_t kHeadBytes = 1 + 4 + 1 + 4 + 4;  // and the name
  for (const StreamGap& gap : found_.gaps) {
    if (!gap.fault.message.starts_with(fmt::format("section '{}' ", escape(idstr)))) continue;
    for (const VmdescDevice& described : found_.vmdesc->devices()) {
      uint64_t at = gap.from + kHeadBytes + idstr.size() + described.body_length();
      if (described.idstr != idstr || at + kFooterBytes > gap.to) continue;
      say(at, fmt::format("By the description the footer stands here: it is damaged, or the body "
                          "has not the {} bytes described.",
                          described.body_length()));
      break;
    }
  }
}

void MessageExplainer::footer(const Words& words) {
  size_t told = advice_.size();
  say_lost_footer(words[0]);
  if (advice_.size() == told) {
    for (const auto& device : found_.devices.devices()) {
      if (device.header.idstr == words[0] && device.end.end_offset != 0) say_footer(device);
    }
  }
  bool iterable = std::ranges::any_of(found_.summary.iterables,
                                      [&](const auto& one) { return one.start.idstr == words[0]; });
  if (iterable && !say_damage()) {
    say_iterable(words[0],
                 "The destination did not find a footer at the end of a slice of this "
                 "section, which starts here");
  }
  not_found(told, fmt::format("section '{}'", escape(words[0])));
}

void MessageExplainer::loading(const Words& words) {
  size_t told = advice_.size();
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    const SectionHeader& header = device.header;
    say(header.offset,
        fmt::format("Loading failed in the section '{}' instance {} version {}; its body is {} "
                    "bytes from {:#x} on: {}.",
                    escape(header.idstr), header.instance_id, header.version_id,
                    std::max<uint64_t>(device.end.body_length, device.body.size()),
                    header.body_offset, hex_of(device.body)));
    if (unknown_subsection_) say_subsections(device, decoded(device).subsections);
    say_disagreement(device);
  }
  say_iterable(words[1], "Loading failed in this section, which starts here");
  if (found_.fault) say_damage();
  not_found(told, fmt::format("section '{}' instance {}", escape(words[1]), escape(words[0])));
}

// QEMU gives up with "No such file or directory" at a subsection that it does not know.
void MessageExplainer::say_subsections(const KeptDevice& device,
                                       const std::vector<DeviceSubsection>& list) {
  for (const DeviceSubsection& subsection : list) {
    say(subsection.offset,
        fmt::format("The subsection '{}' (version {}, {} bytes) of '{}' stands here: the one that "
                    "the destination does not know, or does not want in its configuration, is "
                    "among these.",
                    escape(subsection.name), subsection.version, subsection.size,
                    escape(device.header.idstr)));
    say_subsections(device, subsection.subsections);
  }
}

void MessageExplainer::loading_slice(const Words& words) {
  size_t told = advice_.size();
  say_damage();
  say_iterable(words[1], "Loading failed in a slice of this section, which starts here");
  not_found(told, fmt::format("section id {} ({})", escape(words[0]), escape(words[1])));
}

// ---- Fields ----------------------------------------------------------------------------------

void MessageExplainer::say_field(const KeptDevice& device, const DeviceField& field) {
  say(field.offset,
      fmt::format("The field '{}' ({}, {} bytes) of the section '{}' instance {} stands here: {}. "
                  "The destination refused this value, or the fields in front of it are not the "
                  "ones it expects.",
                  escape(field.name), escape(field.type), field.size(), escape(device.header.idstr),
                  device.header.instance_id, hex_of(field.bytes)));
}

// The declaration may be that of a device, a struct in it or a subsection.
void MessageExplainer::field(const Words& words) {
  size_t told = advice_.size();
  if (words[0] == "configuration" && (say_damage() || found_.summary.configuration)) {
    if (advice_.size() == told) {
      say(found_.summary.configuration->offset, "The configuration stands here.");
    }
    return;
  }
  if (!found_.vmdesc) {
    say(std::nullopt,
        "The stream has no description, so that the place of a field cannot be told.");
    return;
  }
  for (const auto& device : found_.devices.devices()) {
    const auto* described = found_.vmdesc->find(device.header.idstr, device.header.instance_id);
    if (described == nullptr || !is_meant(device)) continue;
    DeviceState state = decoded(device);
    auto show = [&](std::string_view owner, const DeviceField& field) {
      if (owner == words[0] && is_named(field, words[1])) say_field(device, field);
      if (idstr_.empty() || words[0] != kPciOwner || field.type != kVirtioType) return;
      // Its inside is not described.
      bool config = words[1] == "config";
      if (config || words[1] == "version_id") {
        say(field.offset + (config ? kPciVersionBytes : 0),
            fmt::format("The PCI device's '{}' stands here, inside of the field '{}' of the "
                        "section '{}'.",
                        escape(words[1]), escape(field.name), escape(device.header.idstr)));
      }
    };
    walk_fields(described->vmsd_name, state.fields, show);
    walk_subsections(state.subsections, show);
  }
  not_found(told, fmt::format("field '{}' of '{}'", escape(words[1]), escape(words[0])));
}

void MessageExplainer::pci_config(const Words& words) {
  size_t told = advice_.size();
  auto at = hex_number(words[0]);
  auto read = hex_number(words[1]);
  if (!at || !read || !found_.vmdesc) return;
  for (const auto& device : found_.devices.devices()) {
    const auto* described = found_.vmdesc->find(device.header.idstr, device.header.instance_id);
    if (described == nullptr || !is_meant(device)) continue;
    DeviceState state = decoded(device);
    auto config = pci_config_of(state, described->vmsd_name);
    if (!config || *at >= config->bytes.size()) continue;
    if (config->bytes[*at] != static_cast<std::byte>(*read)) continue;
    say(config->offset + *at,
        fmt::format("Byte {:#x} ({}) of the PCI configuration of the section '{}' stands here: "
                    "0x{:02x}. The destination's device has 0x{}, and no guest can change it: the "
                    "device is of another kind, or was started with other options.",
                    *at, pci_register(*at), escape(device.header.idstr), *read, escape(words[2])));
  }
  not_found(told, fmt::format("byte {:#x} of a PCI configuration", *at));
}

// ---- Looking up and telling ------------------------------------------------------------------

bool MessageExplainer::is_meant(const KeptDevice& device) const {
  if (idstr_.empty()) return true;
  return device.header.idstr == idstr_ && (!instance_ || *instance_ == device.header.instance_id);
}

DeviceState MessageExplainer::decoded(const KeptDevice& device) const {
  const auto* described =
      found_.vmdesc ? found_.vmdesc->find(device.header.idstr, device.header.instance_id) : nullptr;
  if (described == nullptr || !device.kept || device.body.empty()) return {};
  return decode_device(*described, device.body, device.header.body_offset);
}

const RamBlock* MessageExplainer::find_block(const std::string& name) const {
  const auto& blocks = found_.summary.blocks;
  auto place = std::ranges::find_if(
      blocks, [&](const RamBlockSummary& summary) { return summary.block.name == name; });
  return place == blocks.end() ? nullptr : &place->block;
}

void MessageExplainer::say(std::optional<uint64_t> offset, std::string text) {
  constexpr size_t kMostPlaces = 64;
  auto same = [&](const Advice& advice) { return advice.offset == offset && advice.text == text; };
  if (advice_.size() < kMostPlaces && std::ranges::none_of(advice_, same)) {
    advice_.push_back({AdviceKind::Note, offset, std::move(text)});
  }
}

// QEMU gives up at the first damage. True if there is any.
bool MessageExplainer::say_damage() {
  if (!found_.gaps.empty()) {
    const StreamGap& gap = found_.gaps.front();
    say(gap.fault.offset.value_or(gap.from),
        fmt::format("The stream is damaged here: {}. The record begins at {:#x}, {} bytes from "
                    "there on make no sense.",
                    gap.fault.message, gap.from, gap.to - gap.from));
    return true;
  }
  if (!found_.fault) return false;
  bool cut = found_.fault->code == Errc::Truncated;
  say(found_.fault->offset,
      fmt::format("The stream is {} here: {}.", cut ? "cut" : "damaged", found_.fault->message));
  return true;
}

// Where a body and its description part.
void MessageExplainer::say_disagreement(const KeptDevice& device) {
  DeviceState state = decoded(device);
  if (state.problems.empty()) return;
  const Problem& first = state.problems.front();
  say(first.offset, fmt::format("The bytes from here on are not as described: {}.", first.message));
}

void MessageExplainer::say_first(PageKind kind, std::string_view text) {
  auto place = found_.pages.find(kind);
  if (place == found_.pages.end()) {
    not_found(advice_.size(), fmt::format("a page of kind {}", name_of(kind)));
    return;
  }
  say(place->second, fmt::format("{}.", text));
}

void MessageExplainer::say_iterable(const std::string& idstr, std::string_view text) {
  for (const auto& iterable : found_.summary.iterables) {
    if (iterable.start.idstr != idstr) continue;
    say(iterable.start.offset, fmt::format("{}: '{}' (id {}, version {}).", text, escape(idstr),
                                           iterable.start.section_id, iterable.start.version_id));
  }
}

// Unless something has been told since there were `told` places.
void MessageExplainer::not_found(size_t told, std::string_view what) {
  if (advice_.size() != told || say_damage()) return;
  say(std::nullopt, fmt::format("The message speaks of {}, which is not in this stream: it is of "
                                "another file, or of damage in front of it.",
                                what));
}

}  // namespace vmstream::analysis
