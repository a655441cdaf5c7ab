// SPDX-License-Identifier: MIT
// Messages about sections: heads, versions, footers, and bodies that failed.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "analysis/explain/message_explainer.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

// What the parser's messages about a section begin with.
std::string front_of(const std::string& idstr) {
  return fmt::format("section '{}' ", escape(idstr));
}

}  // namespace

void MessageExplainer::unknown_section(const Words& words) {
  if (words[0].starts_with("{\"") && found_.summary.vmdesc) {
    say(found_.vmdesc_offset - 1,
        "QEMU took the description behind EOF for a section: the EOF, which stands here, is "
        "damaged.");
    return;
  }
  auto instance = parse_number32(words[1]);
  auto is = [&](const SectionHeader& header) {
    return prints_as(header.idstr, words[0]) && (!instance || *instance == header.instance_id);
  };
  bool found = false;
  for (const auto& device : found_.devices.devices()) {
    if (!is(device.header)) continue;
    found = true;
    bool is_described = !found_.vmdesc || described(device) != nullptr;
    say(device.header.offset,
        fmt::format("The section '{}' instance {} (version {}) begins here, {} bytes long. {}",
                    escape(device.header.idstr), device.header.instance_id,
                    device.header.version_id, device.end.end_offset - device.header.offset,
                    is_described
                        ? "The destination has no such device: start it with the device that the "
                          "source had, in the same slot."
                        : "The stream's own description has no such section either: its name or "
                          "instance id is damaged."));
  }
  for (const auto& iterable : found_.summary.iterables) {
    if (!is(iterable.start)) continue;
    found = true;
    say(iterable.start.offset,
        fmt::format("The section '{}' instance {} starts here. The destination has nothing of that "
                    "name: a capability or a device is missing, or the name is damaged.",
                    escape(iterable.start.idstr), iterable.start.instance_id));
  }
  if (found || say_damage(find_damage(front_of(words[0])))) return;
  miss_thing(fmt::format("section '{}' instance {}", escape(words[0]), escape(words[1])));
}

void MessageExplainer::unknown_slice(const Words& words) {
  if (say_damage(find_damage({}, fmt::format("section id {},", words[0])))) return;
  miss_thing(fmt::format("a slice of section id {}, which was not started", escape(words[0])));
}

namespace {

// Wherever a record may stand.
bool is_loaded_everywhere(SectionType type) {
  switch (type) {
    case SectionType::Eof:
    case SectionType::Start:
    case SectionType::Part:
    case SectionType::End:
    case SectionType::Full:
    case SectionType::Command:
      return true;
    case SectionType::Subsection:
    case SectionType::Vmdescription:
    case SectionType::Configuration:
    case SectionType::Footer:
      break;
  }
  return false;
}

}  // namespace

void MessageExplainer::unknown_record(const Words& words) {
  const auto& configuration = found_.summary.configuration;
  auto type = parse_number32(words[0]);
  if (type == static_cast<uint32_t>(SectionType::Configuration) && configuration) {
    say(configuration->offset,
        "The configuration stands here, and the destination expects none: its machine type is too "
        "old for it, or it was started with -global migration.send-configuration=off.");
    return;
  }
  if (type && say_damage(find_damage(fmt::format("record type is {:#04x}", *type)))) return;
  if (type && say_damage(find_damage(fmt::format("a {} record is out of place",
                                                 name_of(static_cast<SectionType>(*type)))))) {
    return;
  }
  bool lost = std::ranges::any_of(
      damage_, [&](const Damage& one) { return one.to == found_.vmdesc_offset; });
  if (lost && found_.summary.vmdesc) {
    say(found_.vmdesc_offset - 1,
        "EOF would stand here, in front of the description: this byte is damaged, or the section "
        "in front of it.");
    return;
  }
  if (type && is_loaded_everywhere(static_cast<SectionType>(*type))) {
    return miss(
        fmt::format("Records of type {} ({}) are known to each QEMU: none says this of one.", *type,
                    name_of(static_cast<SectionType>(*type))));
  }
  miss_thing(fmt::format("a record of type {}", escape(words[0])));
}

void MessageExplainer::section_name(const Words& words) {
  auto id = parse_number32(words[0]);
  if (say_damage(find_damage({}, fmt::format("section id {} has", words[0])))) return;
  if (say_cut()) return;
  for (const auto& device : found_.devices.devices()) {
    if (device.header.section_id != id) continue;
    say(device.header.offset,
        fmt::format("The section of id {} begins here with its name, '{}', which QEMU could not "
                    "read: what it was given ended there.",
                    device.header.section_id, escape(device.header.idstr)));
  }
  miss_thing(fmt::format("the name of section id {}", escape(words[0])));
}

void MessageExplainer::version(const Words& words) {
  std::vector<const SectionHeader*> named;
  auto collect = [&](const SectionHeader& header) {
    if (prints_as(header.idstr, words[1])) named.push_back(&header);
  };
  for (const auto& device : found_.devices.devices()) collect(device.header);
  for (const auto& iterable : found_.summary.iterables) collect(iterable.start);
  auto version = parse_number32(words[0]);
  bool same = std::ranges::find(named, version, [](const SectionHeader* header) {
                return std::optional(header->version_id);
              }) != named.end();
  for (const SectionHeader* header : named) {
    if (same && header->version_id != version) continue;
    say(header->body_offset - wire::kSectionVersionBytes,
        fmt::format(
            "The section '{}' at {:#x} has version {}, given here; {}.", escape(header->idstr),
            header->offset, header->version_id,
            same ? fmt::format("the destination knows versions up to {}: it is older than "
                               "the source, or the version is damaged",
                               escape(words[2]))
                 : fmt::format("the message has {}: it is of another file", escape(words[0]))));
  }
  if (!named.empty() || say_damage(find_damage(front_of(words[1])))) return;
  miss_thing(fmt::format("section '{}'", escape(words[1])));
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
}

// Where by the description the footer stands of a section that was lost for the want of it.
std::optional<uint64_t> MessageExplainer::lost_footer(const Damage& damage,
                                                      const std::string& idstr) const {
  for (size_t i = 0; damage.to && found_.vmdesc && i < found_.vmdesc->devices().size(); ++i) {
    const VmdescDevice& one = found_.vmdesc->devices()[i];
    if (one.idstr != idstr) continue;
    bool is_here = std::ranges::any_of(found_.devices.devices(), [&](const KeptDevice& device) {
      return described(device) == &one;
    });
    uint64_t at = damage.from + wire::kSectionHeaderBytes + idstr.size() + one.body_length();
    if (!is_here && at + wire::kFooterBytes <= *damage.to) return at;
  }
  return std::nullopt;
}

bool MessageExplainer::say_lost_footer(const std::string& idstr) {
  const Damage* damage = find_damage(front_of(idstr));
  if (damage == nullptr) return false;
  if (auto at = lost_footer(*damage, idstr)) {
    say(at,
        "By the description the footer stands here: it is damaged, or the body has not the length "
        "that is described.");
  } else {
    say_damage(*damage);
  }
  return true;
}

bool MessageExplainer::is_footer_of(const KeptDevice& device, const std::string& idstr) const {
  bool is_id = !failed_.section_id || *failed_.section_id == device.header.section_id;
  return is_id && device.end.end_offset != 0 && prints_as(device.header.idstr, idstr);
}

// A version that is not the one described makes the destination read other fields.
bool MessageExplainer::say_other_version(const KeptDevice& device) {
  const SectionHeader& header = device.header;
  const auto* description = described(device);
  if (description == nullptr || description->vmsd_name.empty() ||
      description->version == header.version_id) {
    return false;
  }
  say(header.body_offset - wire::kSectionVersionBytes,
      fmt::format(
          "The version of the section '{}' instance {} stands here: {}, but the description "
          "has {}. It is damaged.",
          escape(header.idstr), header.instance_id, header.version_id, description->version));
  return true;
}

// Of several instances, which the message does not tell apart, the one that is not as described.
void MessageExplainer::footer(const Words& words) {
  if (say_lost_footer(words[0])) return;
  bool disagrees = false;
  for (const auto& device : found_.devices.devices()) {
    if (!is_footer_of(device, words[0])) continue;
    if (!say_other_version(device) && !say_disagreement(device) && !say_bad_subsection(device)) {
      continue;
    }
    say_footer(device);
    disagrees = true;
  }
  if (disagrees) return;
  for (const auto& device : found_.devices.devices()) {
    if (is_footer_of(device, words[0])) say_footer(device);
  }
  say_iterable(words[0],
               "The destination did not find a footer at the end of a slice of this section, which "
               "starts here");
  miss_thing(fmt::format("section '{}'", escape(words[0])));
}

// "read" stands in the footer, "expected" in the head of the section: one of the two is damaged.
void MessageExplainer::footer_of_other(const Words& words) {
  auto read = parse_number32(words[1]);
  auto expected = parse_number32(words[2]);
  if (!read || !expected) return;
  auto place = find_section(words[0], *expected);
  if (!place) {
    miss_thing(fmt::format("section '{}' of id {:#x}", escape(words[0]), *expected));
    return;
  }
  if (place->footer_is_sound) {
    say(*place->footer_id_at - 1,
        fmt::format("The footer of the section '{}' stands here and has its id, {:#x}: the message "
                    "is of another file, or the destination stopped reading at another place.",
                    escape(words[0]), *expected));
    return;
  }
  auto say_id = [&](std::optional<uint64_t> at, std::string_view where, uint32_t id) {
    if (!at) return;
    say(at,
        fmt::format("The id of the section '{}' stands here, in its {}: {:#x}, while it is {:#x} "
                    "in its {}. One of the two is damaged.",
                    escape(words[0]), where, id, id == *read ? *expected : *read,
                    id == *read ? "head" : "footer"));
  };
  // Ids are small: in doubt the larger one is damaged.
  bool head_first =
      std::pair(fits_ids(*place, *read), *expected) > std::pair(fits_ids(*place, *expected), *read);
  if (!head_first) say_id(place->footer_id_at, "footer", *read);
  say_id(place->head.offset + 1, "head", *expected);
  if (head_first) say_id(place->footer_id_at, "footer", *read);
}

// The section of that name and id, be it lost for the want of its footer.
std::optional<MessageExplainer::SectionPlace> MessageExplainer::find_section(
    const std::string& idstr, uint32_t section_id) const {
  auto is = [&](const SectionHeader& header) {
    return header.section_id == section_id && prints_as(header.idstr, idstr);
  };
  for (const auto& device : found_.devices.devices()) {
    if (!is(device.header)) continue;
    SectionPlace place{device.header};
    const auto* description = described(device);
    uint64_t length = description != nullptr ? description->body_length() : device.end.body_length;
    if (length == 0) return place;
    place.footer_id_at = device.header.body_offset + length + 1;
    place.footer_is_sound = device.end.footer && length == device.end.body_length;
    return place;
  }
  for (const auto& iterable : found_.summary.iterables) {
    if (!is(iterable.start)) continue;
    SectionPlace place{iterable.start};
    const Damage* damage = find_damage(front_of(idstr), "footer has section id");
    if (damage != nullptr) place.footer_id_at = damage->at;
    return place;
  }
  auto front = fmt::format("section '{}' (id {})", escape(idstr), section_id);
  const Damage* damage = find_damage(front);
  if (damage == nullptr) return std::nullopt;
  SectionPlace place;
  place.head.offset = damage->from;
  if (auto footer = lost_footer(*damage, idstr)) place.footer_id_at = *footer + 1;
  return place;
}

// How well an id goes with those of the other sections: none is used twice, and mostly each is the
// one behind that of the section in front of it.
int MessageExplainer::fits_ids(const SectionPlace& place, uint32_t id) const {
  bool is_free = true;
  uint64_t nearest = 0;
  uint32_t id_in_front = 0;
  auto look = [&](const SectionHeader& other) {
    if (other.offset == place.head.offset) return;
    if (other.section_id == id) is_free = false;
    if (other.offset > place.head.offset || other.offset < nearest) return;
    nearest = other.offset;
    id_in_front = other.section_id;
  };
  for (const auto& iterable : found_.summary.iterables) look(iterable.start);
  for (const auto& device : found_.devices.devices()) look(device.header);
  return (is_free ? 2 : 0) + (id == id_in_front + 1 ? 1 : 0);
}

// The line before it names the section, in most cases.
void MessageExplainer::footer_of_id(const Words& words) {
  auto id = parse_number32(words[0]);
  for (const auto& device : found_.devices.devices()) {
    if (device.header.section_id != id) continue;
    say_around(device.header.offset,
               fmt::format("The section of id {} is '{}' instance {}, which begins here.",
                           device.header.section_id, escape(device.header.idstr),
                           device.header.instance_id));
  }
  miss_thing(fmt::format("section id {}", escape(words[0])));
}

// -5 is what QEMU knows the end of its input by.
void MessageExplainer::ended_early(const Words& words) {
  constexpr uint32_t kInputOutputError = static_cast<uint32_t>(-5);
  if (say_cut()) return;
  bool ended = parse_number32(words[0]) == kInputOutputError && found_.summary.complete;
  miss(ended
           ? "The message says that the input ended early. This file is whole: it was another one, "
             "or what brought it to QEMU (a pipe, a connection) broke off."
           : fmt::format("The message tells of a read that failed ({}), not of a place in the "
                         "stream.",
                         escape(words[0])));
}

void MessageExplainer::loading(const Words& words) {
  for (const auto& device : found_.devices.devices()) {
    if (!is_meant(device)) continue;
    const SectionHeader& header = device.header;
    say_around(header.offset,
               fmt::format("Loading failed in the section '{}' instance {} version {}; its body is "
                           "{} bytes from {:#x} on: {}.",
                           escape(header.idstr), header.instance_id, header.version_id,
                           std::max<uint64_t>(device.end.body_length, device.body.size()),
                           header.body_offset, hex_of(device.body)));
    if (!say_disagreement(device) && !say_bad_subsection(device) && failed_.unknown_subsection) {
      say_subsections(device, decoded(device).subsections);
    }
  }
  say_iterable(words[1], "Loading failed in this section, which starts here");
  const Damage* damage = find_damage(front_of(words[1]));
  // What QEMU reads here of an iterable section is its start, in front of all pages.
  bool in_start = damage != nullptr && std::ranges::none_of(found_.pages, [&](const auto& page) {
                    return page.second < damage->at;
                  });
  if (!has_place() && in_start) say_damage(*damage);
  miss_thing(fmt::format("section '{}' instance {}", escape(words[1]), escape(words[0])));
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
  say_iterable(words[1], "Loading failed in a slice of this section, which starts here");
  if (!has_place()) say_damage(find_damage(front_of(words[1])));
  miss_thing(fmt::format("section id {} ({})", escape(words[0]), escape(words[1])));
}

// QEMU 11 says so of sections that have no declaration, such as ram, whatever failed in them.
void MessageExplainer::old_style(const Words& words) {
  if (!failed_.idstr.empty()) return;  // which tells more
  for (const auto& iterable : found_.summary.iterables) {
    if (iterable.start.version_id != parse_number32(words[0])) continue;
    say_around(
        iterable.start.offset,
        fmt::format("The section '{}', which starts here, has version {}: loading one such "
                    "failed with {}.",
                    escape(iterable.start.idstr), iterable.start.version_id, escape(words[1])));
  }
  miss_thing(fmt::format("a section of version {}", escape(words[0])));
}

// The line behind it names the field.
void MessageExplainer::refused_value(const Words&) {
  miss(
      "The message tells a value that was refused. The line that QEMU prints behind it names the "
      "field.");
}

void MessageExplainer::setup(const Words& words) {
  miss(
      fmt::format("QEMU could not make its own '{}' ready for a load: nothing of the stream had "
                  "been read by then.",
                  escape(words[0])));
}

void MessageExplainer::not_migratable(const Words& words) {
  miss(
      fmt::format("QEMU itself has a device that no stream can be loaded with, '{}': nothing of "
                  "the stream had been read by then.",
                  escape(words[0])));
}

}  // namespace vmstream
