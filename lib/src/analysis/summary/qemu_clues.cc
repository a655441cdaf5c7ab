// SPDX-License-Identifier: MIT
// The history of the format, read backwards: a record that came with a release sets a lower bound,
// one that went with a release an upper bound. docs/format.md has the whole table.
#include "analysis/summary/qemu_clues.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <vmstream/stream_summary.h>
#include <vmstream/text.h>
#include "base/byte_reader.h"

namespace vmstream {
namespace {

std::optional<uint32_t> parse_number(std::string_view digits) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string to_string(QemuVersion version) {
  return fmt::format("{}.{}", version.major, version.minor);
}

std::optional<QemuVersion> version_of_machine(std::string_view machine) {
  size_t dash = machine.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto tail = machine.substr(dash + 1);
  size_t dot = tail.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  auto major = parse_number(tail.substr(0, dot));
  auto minor = parse_number(tail.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  return QemuVersion{*major, *minor};
}

void QemuVersionRange::at_least(QemuVersion version, std::string_view clue) {
  if (lowest_ && *lowest_ >= version) return;
  lowest_ = version;
  lowest_clue_ = clue;
}

void QemuVersionRange::at_most(QemuVersion version, std::string_view clue) {
  if (highest_ && *highest_ <= version) return;
  highest_ = version;
  highest_clue_ = clue;
}

std::vector<std::string> QemuVersionRange::because() const {
  std::vector<std::string> clues;
  if (lowest_) clues.push_back(lowest_clue_);
  if (highest_) clues.push_back(highest_clue_);
  return clues;
}

namespace {

struct Clue {
  std::optional<QemuVersion> since = std::nullopt;
  std::optional<QemuVersion> until = std::nullopt;  // the last release that has it
};

// Builds the text only for what narrows the range: pages come by the million.
void add(const Clue& clue, std::string_view what, QemuVersionRange& range) {
  if (clue.since && (!range.lowest() || *range.lowest() < *clue.since)) {
    range.at_least(*clue.since, fmt::format("{} since {}", what, to_string(*clue.since)));
  }
  if (clue.until && (!range.highest() || *clue.until < *range.highest())) {
    range.at_most(*clue.until, fmt::format("{} until {}", what, to_string(*clue.until)));
  }
}

struct NamedClue {
  std::string_view name;
  Clue clue;
};

constexpr std::array kSections{
    NamedClue{"block", {QemuVersion{0, 12}, QemuVersion{9, 0}}},
    NamedClue{"dirty-bitmap", {QemuVersion{2, 12}, {}}},
    NamedClue{"globalstate", {QemuVersion{2, 4}, {}}},
    NamedClue{"s390-storage_attributes", {QemuVersion{2, 11}, {}}},
    NamedClue{"spapr/htab", {QemuVersion{1, 6}, {}}},
};

constexpr std::array kCapabilities{
    NamedClue{"mapped-ram", {QemuVersion{9, 0}, {}}},
    NamedClue{"x-ignore-shared", {QemuVersion{4, 0}, {}}},
};

// Types of vmdesc fields that stand for NULL pointers.
constexpr std::array kFieldTypes{
    NamedClue{"nullptr", {QemuVersion{10, 0}, QemuVersion{11, 0}}},
    NamedClue{"ptr-marker", {QemuVersion{11, 1}, {}}},
};

void add_named(std::span<const NamedClue> table, std::string_view name, std::string_view prefix,
               QemuVersionRange& range) {
  auto found = std::find_if(table.begin(), table.end(),
                            [&](const NamedClue& entry) { return entry.name == name; });
  if (found != table.end()) add(found->clue, fmt::format("{}{}", prefix, name), range);
}

Clue clue_of(CommandType type) {
  switch (type) {
    case CommandType::PostcopyResume:
    case CommandType::RecvBitmap:
      return {.since = QemuVersion{3, 0}};
    case CommandType::EnableColo:
      return {.since = QemuVersion{3, 1}};
    case CommandType::SwitchoverStart:
      return {.since = QemuVersion{10, 0}};
    case CommandType::Invalid:
      return {};
    case CommandType::OpenReturnPath:
    case CommandType::Ping:
    case CommandType::PostcopyAdvise:
    case CommandType::PostcopyListen:
    case CommandType::PostcopyRun:
    case CommandType::PostcopyRamDiscard:
    case CommandType::Packaged:
      return {.since = QemuVersion{2, 5}};
  }
  return {};
}

void add_field_clues(const VmdescField& field, QemuVersionRange& range);

void add_subsection_clues(const VmdescSubsection& subsection, QemuVersionRange& range) {
  for (const auto& field : subsection.fields) add_field_clues(field, range);
  for (const auto& nested : subsection.subsections) add_subsection_clues(nested, range);
}

void add_field_clues(const VmdescField& field, QemuVersionRange& range) {
  add_named(kFieldTypes, field.type, "vmdesc type ", range);
  if (field.index) add({.until = QemuVersion{11, 0}}, "array index in the vmdesc", range);
  for (const auto& nested : field.fields) add_field_clues(nested, range);
  for (const auto& subsection : field.subsections) add_subsection_clues(subsection, range);
}

}  // namespace

void add_header_clues(const StreamHeader& header, QemuVersionRange& range) {
  if (header.version == 3) add({.since = QemuVersion{0, 10}}, "stream version 3", range);
  if (header.version == 2) {
    add({QemuVersion{0, 9}, QemuVersion{0, 9}}, "stream version 2", range);
  }
  if (header.version == 1) add({.until = QemuVersion{0, 8}}, "stream version 1", range);
}

void add_configuration_clues(const Configuration& configuration, QemuVersionRange& range) {
  add({.since = QemuVersion{2, 4}}, "configuration record", range);
  if (auto version = version_of_machine(configuration.machine)) {
    add({.since = version}, "machine type " + escape(configuration.machine), range);
  }
  if (configuration.target_page_bits) {
    add({.since = QemuVersion{2, 8}}, "configuration/target-page-bits", range);
  }
  if (configuration.capabilities) {
    add({.since = QemuVersion{4, 0}}, "configuration/capabilities", range);
    for (const auto& name : *configuration.capabilities) {
      add_named(kCapabilities, name, "capability ", range);
    }
  }
  if (configuration.uuid) add({.since = QemuVersion{4, 2}}, "configuration/uuid", range);
}

void add_section_clues(const SectionHeader& header, QemuVersionRange& range) {
  add_named(kSections, header.idstr, "section ", range);
  if (header.idstr != "ram") return;
  if (header.version_id >= 4) add({.since = QemuVersion{0, 13}}, "ram version 4", range);
  if (header.version_id == 3) {
    add({QemuVersion{0, 10}, QemuVersion{0, 12}}, "ram version 3", range);
  }
}

void add_page_clues(const SectionHeader& section, const Page& page, QemuVersionRange& range) {
  bool in_mapped_area = page.block != nullptr && page.block->mapped;
  if (section.type == SectionType::Start && !in_mapped_area) {
    add({.until = QemuVersion{1, 1}}, "pages in the start of ram", range);
  }
  if (page.kind == PageKind::Fill) {
    add({.until = QemuVersion{1, 4}}, "fill bytes other than 0", range);
  }
  if (page.kind == PageKind::Xbzrle) add({.since = QemuVersion{1, 2}}, "XBZRLE pages", range);
  if (page.kind == PageKind::Compressed) {
    add({QemuVersion{2, 4}, QemuVersion{9, 0}}, "compressed pages", range);
  }
}

void add_ram_mark_clues(RamMark mark, QemuVersionRange& range) {
  if (mark == RamMark::Hook) add({.since = QemuVersion{1, 6}}, "RDMA hooks", range);
  if (mark == RamMark::MultifdFlush) {
    add({.since = QemuVersion{8, 1}}, "multifd flush marks", range);
  }
}

void add_footer_clues(QemuVersionRange& range) {
  add({.since = QemuVersion{2, 4}}, "section footers", range);
}

void add_command_clues(CommandType type, QemuVersionRange& range) {
  add(clue_of(type), fmt::format("command {}", name_of(type)), range);
}

void add_vmdesc_clues(const Vmdesc& vmdesc, std::string_view json, bool has_configuration,
                      QemuVersionRange& range) {
  add({.since = QemuVersion{2, 3}}, "vmdesc", range);
  if (json.starts_with("{ ")) {
    add({.until = QemuVersion{5, 2}}, "vmdesc with spaces inside of braces", range);
  } else {
    add({.since = QemuVersion{6, 0}}, "vmdesc without spaces inside of braces", range);
  }
  // The key is always written first.
  if (json.starts_with("{\"configuration\"")) {
    add({.since = QemuVersion{8, 2}}, "configuration in the vmdesc", range);
  } else if (has_configuration) {
    add({.until = QemuVersion{8, 1}}, "vmdesc without the configuration", range);
  }
  for (const auto& device : vmdesc.devices()) {
    for (const auto& field : device.fields) add_field_clues(field, range);
    for (const auto& subsection : device.subsections) add_subsection_clues(subsection, range);
  }
}

void add_global_state_clues(const GlobalState& state, QemuVersionRange& range) {
  constexpr const char* kLayout = "layout of globalstate";
  if (state.suspended_known) {
    add({.since = QemuVersion{9, 0}}, kLayout, range);
  } else {
    add({.until = QemuVersion{8, 2}}, kLayout, range);
  }
}

}  // namespace vmstream
