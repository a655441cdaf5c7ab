// SPDX-License-Identifier: MIT
// Messages about sections: heads, versions, footers, and bodies that failed.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "analysis/explain/message_explainer.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

const DeviceSubsection* find_subsection(const std::vector<DeviceSubsection>& list,
                                        std::string_view name) {
  for (const DeviceSubsection& subsection : list) {
    if (subsection.name == name) return &subsection;
    if (const auto* nested = find_subsection(subsection.subsections, name)) return nested;
  }
  return nullptr;
}

}  // namespace

void MessageExplainer::unknown_section(const Words& words) {
  size_t told = advice_.size();
  auto instance = parse_number(words[1]);
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
  if (parse_number(words[0]) == static_cast<uint32_t>(SectionType::Configuration) &&
      configuration) {
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
  say(device.end.footer ? device.end.end_offset - wire::kFooterBytes : device.end.end_offset,
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
      if (described.idstr != idstr || at + wire::kFooterBytes > gap.to) continue;
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

}  // namespace vmstream::analysis
