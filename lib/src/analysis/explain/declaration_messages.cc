// SPDX-License-Identifier: MIT
// Messages about declarations of QEMU's: devices by their inner name, structs and subsections.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "analysis/explain/message_explainer.h"

#include <vmstream/text.h>

namespace vmstream::analysis {
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

}  // namespace vmstream::analysis
