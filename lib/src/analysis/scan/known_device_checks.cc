// SPDX-License-Identifier: MIT
#include "analysis/scan/part_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/zero.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

// Of which each PC has several, and other machines none.
constexpr std::array<std::string_view, 9> kBoard{"kvm-tpr-opt", "apic", "ioapic", "I440FX", "mch",
                                                 "ICH9LPC",     "hpet", "port92", "vmmouse"};
constexpr std::ptrdiff_t kEnough = 2;

// Instances before 1.0, of i8259, i8254, mc146818rtc, fdc, serial and parallel devices.
constexpr std::array<uint32_t, 14> kPorts{0x20,  0x40,  0x70,  0xa0,  0x1f0, 0x170, 0x278,
                                          0x2e8, 0x2f8, 0x378, 0x3bc, 0x3e8, 0x3f0, 0x3f8};

std::string name_of_section(const SectionHeader& header) {
  return fmt::format("section '{}' (id {})", escape(header.idstr), header.section_id);
}

// Of those that begin at `at`; nothing where only QEMU knows how long one is, or the body is
// shorter.
std::optional<size_t> end_of_subsections(std::span<const std::byte> body, size_t at) {
  if (at > body.size()) return std::nullopt;
  while (at < body.size()) {
    auto length = subsection_bytes(body.subspan(at));
    if (!length) return std::nullopt;
    if (*length == 0) break;
    at += *length;
  }
  return at;
}

}  // namespace

bool KnownDeviceChecks::comes(std::string_view name) const {
  return std::ranges::any_of(devices_.devices(), [&](const KeptDevice& section) {
    const KnownDevice* device = find_known_device(section.header.idstr);
    return device && device->name == name;
  });
}

bool KnownDeviceChecks::is_pc() const {
  return is_taken_for_pc_ ||
         std::ranges::count_if(kBoard, [this](auto name) { return comes(name); }) >= kEnough;
}

// A sender of 2.4 and later tells the state of the guest even where it is left without the rest.
bool KnownDeviceChecks::is_old_pc() const {
  auto has_footer = [](const KeptDevice& section) { return section.end.footer; };
  bool has_footers = std::ranges::any_of(devices_.devices(), has_footer);
  return !has_footers && !comes("globalstate") && (comes("I440FX") || comes("mch")) && is_pc();
}

void KnownDeviceChecks::finish(bool is_described, bool versions_are_settled) {
  constexpr uint32_t kSpareVersions = 16;
  for (const KeptDevice& section : devices_.devices()) {
    const KnownDevice* device = find_known_device(section.header.idstr);
    if (device) check_count(section, *device);
  }
  if (is_described || !is_pc()) return;
  spare_versions_ = versions_are_settled ? 0 : kSpareVersions;
  for (const KeptDevice& section : devices_.devices()) {
    names_.emplace(section.header.idstr, section.header.instance_id);
  }
  for (const KeptDevice& section : devices_.devices()) {
    const KnownDevice* device = find_known_device(section.header.idstr);
    check_name(section.header);
    if (device) check_known(section, *device);
    check_heads_within(section);
  }
}

// A name that is nearly another one, which is missing.
void KnownDeviceChecks::check_name(const SectionHeader& header) {
  bool on_pci = has_pci_address(header.idstr);
  check_instance(header, on_pci ? Instances::OfBoard : Instances::Pluggable);
  std::string near = find_nearly_known_name(header.idstr);
  if (near.empty() || names_.contains({near, header.instance_id})) return;
  log_.tell(header.offset, fmt::format("{}: its name is nearly '{}', and no QEMU has such a one",
                                       name_of_section(header), near));
}

void KnownDeviceChecks::check_known(const KeptDevice& section, const KnownDevice& device) {
  check_version(section, device);
  check_instance(section.header, device.instances);
  check_processor(section.header);
  check_length(section, device);
}

// Footers came with 2.4, and no version has been raised since.
void KnownDeviceChecks::check_version(const KeptDevice& section, const KnownDevice& device) {
  const SectionHeader& header = section.header;
  uint32_t lowest = section.end.footer ? device.highest_version : device.lowest_version;
  bool is_old = header.version_id < lowest;
  bool is_new = header.version_id > device.highest_version + spare_versions_;
  if (!is_old && !is_new) return;
  bool loads = device.reads_as_highest(header.version_id);
  log_.tell(header.body_offset - wire::kSectionVersionBytes,
            fmt::format("{} has version {}, QEMU writes {}", name_of_section(header),
                        header.version_id, device.highest_version),
            loads ? LoadEffect::Ignored : LoadEffect::Refused);
}

// One of them may be left out, which nothing tells.
void KnownDeviceChecks::check_instance(const SectionHeader& header, Instances instances) {
  size_t most = 0xffff;
  if (instances == Instances::Single) most = 0;
  if (instances == Instances::OfBoard) most = count(header.idstr);
  uint32_t instance = header.instance_id;
  if (instance <= most || std::ranges::find(kPorts, instance) != kPorts.end()) return;
  log_.tell(header.offset, fmt::format("{} has instance id {:#x}, which no QEMU gives here",
                                       name_of_section(header), instance));
}

size_t KnownDeviceChecks::count(const std::string& idstr) const {
  auto is_same = [&](const Name& name) { return name.first == idstr; };
  return static_cast<size_t>(std::ranges::count_if(names_, is_same));
}

// Each processor has two sections.
void KnownDeviceChecks::check_processor(const SectionHeader& header) {
  const std::string state = "cpu";
  const std::string common = "cpu_common";
  if (header.idstr != state && header.idstr != common) return;
  const std::string& other = header.idstr == state ? common : state;
  bool one_is_left_out = count(state) != count(common);
  if (one_is_left_out || names_.contains({other, header.instance_id})) return;
  log_.tell(header.offset, fmt::format("{} has instance id {}, but there is no '{}' of it",
                                       name_of_section(header), header.instance_id, other));
}

void KnownDeviceChecks::check_length(const KeptDevice& section, const KnownDevice& device) {
  auto wanted = plain_body_bytes(device, section.body);
  bool is_whole = section.kept && section.body.size() == section.end.body_length;
  if (!is_whole) return;
  if (!wanted) return check_nested(section, device);
  const SectionHeader& header = section.header;
  bool is_highest = header.version_id == device.highest_version;
  if (is_highest && section.body.size() < *wanted) {
    log_.tell(header.offset, fmt::format("{} has {} bytes, QEMU wants {}", name_of_section(header),
                                         section.body.size(), *wanted));
  } else if (is_highest) {
    check_rest(section, *wanted);
  } else if (!section.end.footer && *wanted > 1 &&
             end_of_subsections(section.body, *wanted) == section.body.size()) {
    log_.tell(header.offset, fmt::format("{} has version {}, but its {} bytes are those of {}",
                                         name_of_section(header), header.version_id, *wanted,
                                         device.highest_version));
  }
}

void KnownDeviceChecks::check_nested(const KeptDevice& section, const KnownDevice& device) {
  const SectionHeader& header = section.header;
  if (header.version_id != device.highest_version) return;
  size_t length = section.body.size();
  if (auto rest = bytes_too_many(device, length)) return tell_rest(section, length - *rest);
  if (!is_too_short(device, length)) return;
  log_.tell(header.offset,
            fmt::format("{} has {} bytes, which are too few", name_of_section(header), length));
}

// Behind the fields stand subsections, and nothing else.
void KnownDeviceChecks::check_rest(const KeptDevice& section, size_t wanted) {
  auto end = end_of_subsections(section.body, wanted);
  if (end && *end < section.body.size()) tell_rest(section, *end);
}

// QEMU takes what stands there for its next record.
void KnownDeviceChecks::tell_rest(const KeptDevice& section, size_t at) {
  auto rest = std::span(section.body).subspan(at);
  auto head = find_likely_head(rest);
  bool is_loaded = head && head->offset == 0 && head->is_sound;
  bool ends = !section.end.footer && rest[0] == std::byte{0};
  // The mark of the end, and padding.
  bool is_last = &section == &devices_.devices().back();
  if (ends && is_last && is_zero(rest)) return;
  uint64_t offset = section.header.body_offset + at;
  log_.tell(offset,
            fmt::format("{} goes on for {} bytes behind its end", name_of_section(section.header),
                        rest.size()),
            is_loaded || ends ? LoadEffect::Ignored : LoadEffect::Refused);
  if (ends) log_.end_at(offset);
}

// The section in front ends there, and that of the head has not been told from it.
void KnownDeviceChecks::check_heads_within(const KeptDevice& section) {
  auto head = find_likely_head(section.body);
  if (!head || section.end.footer) return;
  bool ends = section.body[head->offset] == std::byte{0};
  log_.tell(
      section.header.body_offset + head->offset,
      fmt::format("{} holds the head of '{}'", name_of_section(section.header), head->device->name),
      head->is_sound || ends ? LoadEffect::Ignored : LoadEffect::Refused);
}

void KnownDeviceChecks::check_count(const KeptDevice& section, const KnownDevice& device) {
  bool is_whole = section.kept && section.body.size() == section.end.body_length;
  auto wrong = is_whole ? find_wrong_count(device, section.body) : std::nullopt;
  if (!wrong) return;
  log_.tell(section.header.body_offset + wrong->offset,
            fmt::format("{} gives the number {}, wanted {}", name_of_section(section.header),
                        wrong->found, wrong->wanted));
}

}  // namespace vmstream
