// SPDX-License-Identifier: MIT
#include "analysis/scan/part_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/scan/known_names.h"
#include "format/layout/virtio_subsections.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr size_t kMostNames = 1u << 17;

}  // namespace

void DescriptionChecks::count(const SectionHeader& header) {
  if (times_.size() < kMostNames) ++times_[{header.idstr, header.instance_id}];
}

void DescriptionChecks::on_vmdesc(const VmdescRecord& record) {
  has_description_ = true;
  const Vmdesc& vmdesc = *record.description;
  tell_flaws(record);
  if (vmdesc.fault()) return on_cut_vmdesc(record);  // the parser has reported it
  for (const auto& device : devices_.devices()) check_device(device, vmdesc);
  for (const auto& described : vmdesc.devices()) take_off(described);
  check_left_over(record.offset);
}

void DescriptionChecks::on_cut_vmdesc(const VmdescRecord& record) {
  has_description_ = true;
  const Vmdesc& front = *record.description;
  for (const auto& device : devices_.devices()) {
    const SectionHeader& header = device.header;
    if (front.find(header.idstr, header.instance_id)) check_device(device, front);
  }
}

// QEMU loads the sections without it.
void DescriptionChecks::tell_flaws(const VmdescRecord& record) {
  for (const std::string& flaw : record.description->flaws()) {
    log_.add({.offset = record.offset,
              .message = "vmdesc: " + flaw,
              .effect = LoadEffect::Ignored,
              .in_description = true});
  }
}

// QEMU describes the sections in the order in which they come.
const VmdescDevice* DescriptionChecks::described_in_place_of(const KeptDevice& device,
                                                             const Vmdesc& vmdesc) const {
  const auto& devices = devices_.devices();
  if (devices.size() != vmdesc.devices().size()) return nullptr;
  const VmdescDevice& other = vmdesc.devices()[static_cast<size_t>(&device - devices.data())];
  return times_.contains({other.idstr, other.instance_id}) ? nullptr : &other;
}

// Ids are given from 0 on.
bool DescriptionChecks::is_usual_instance(const SectionHeader& header) const {
  const KnownDevice* device = find_known_device(header.idstr);
  if (device && device->instances == Instances::Single) return header.instance_id == 0;
  auto is_of_name = [&](const KeptDevice& other) { return other.header.idstr == header.idstr; };
  return header.instance_id < std::ranges::count_if(devices_.devices(), is_of_name);
}

// Of the section, and not of the description: the one that ends with the name of what is described,
// or has the right path in front of it. Where both are as good, the section may be hurt.
bool DescriptionChecks::has_better_name(const SectionHeader& header,
                                        const VmdescDevice& other) const {
  if (other.vmsd_name.empty()) {
    return find_known_device(header.idstr) && !find_known_device(other.idstr);
  }
  if (!header.idstr.ends_with(other.vmsd_name)) return false;
  return !other.idstr.ends_with(other.vmsd_name) ||
         (has_pci_address(header.idstr) && !has_pci_address(other.idstr));
}

// Name and instance are those that QEMU gives: then it is the description that is hurt.
bool DescriptionChecks::is_sound_head(const KeptDevice& device, const Vmdesc& vmdesc) const {
  const SectionHeader& header = device.header;
  const VmdescDevice* other = described_in_place_of(device, vmdesc);
  if (!other) return find_known_device(header.idstr) && is_usual_instance(header);
  bool is_same_name = other->idstr == header.idstr;
  return is_same_name ? is_usual_instance(header) : has_better_name(header, *other);
}

// That the lengths agree is the parser's to tell; it has bounded the section by them.
void DescriptionChecks::check_device(const KeptDevice& device, const Vmdesc& vmdesc) {
  const SectionHeader& header = device.header;
  const VmdescDevice* described = vmdesc.find(header.idstr, header.instance_id);
  if (described == nullptr) {
    undescribed_.emplace(header.idstr, header.instance_id);
    log_.tell(header.offset,
              fmt::format("vmdesc does not describe section '{}' instance {}", escape(header.idstr),
                          header.instance_id),
              vmdesc.devices().empty() || is_sound_head(device, vmdesc) ? LoadEffect::Ignored
                                                                        : LoadEffect::Refused);
    return;
  }
  ++described_;
  check_version(header, *described);
  bool agrees = described->body_length() == device.end.body_length;
  if (!device.kept || !agrees) return;
  DeviceState state = decode_device(*described, device.body, header.body_offset);
  check_virtio(header, state);
  bool is_hurt = !state.problems.empty() && described->contradicts_itself();
  for (Problem& problem : state.problems) {
    problem.message = fmt::format("section '{}' (id {}): {}", escape(header.idstr),
                                  header.section_id, problem.message);
    problem.known_flaw |= described->hides_elements();
    if (is_hurt) {
      problem.effect = LoadEffect::Ignored;
      problem.in_description = true;
    }
    log_.tell(std::move(problem));
    if (described->hides_elements()) break;  // what follows is decoded at wrong places
  }
}

void DescriptionChecks::check_version(const SectionHeader& header, const VmdescDevice& described) {
  if (described.vmsd_name.empty() || described.version == header.version_id) return;
  std::string message = fmt::format("section '{}' has version {}, vmdesc says {}",
                                    escape(header.idstr), header.version_id, described.version);
  if (header.version_id > described.version) {
    message += fmt::format("; QEMU says \"unsupported version {} for '{}' v{}\"", header.version_id,
                           escape(header.idstr), described.version);
  }
  const KnownDevice* known = find_known_device(header.idstr);
  // Either may be hurt, or QEMU reads the lower version as its own.
  bool is_sound = described.flawed || (known && header.version_id == known->highest_version);
  bool loads = is_sound || (known && described.version == known->highest_version &&
                            known->reads_as_highest(header.version_id));
  log_.tell(header.body_offset - wire::kSectionVersionBytes, std::move(message),
            loads ? LoadEffect::Ignored : LoadEffect::Refused);
}

void DescriptionChecks::check_virtio(const SectionHeader& header, const DeviceState& state) {
  auto virtio = std::ranges::find(state.fields, "virtio", &DeviceField::type);
  auto damaged = virtio == state.fields.end() ? std::nullopt : find_damaged_subsection(*virtio);
  if (!damaged) return;
  log_.tell(
      damaged->offset,
      fmt::format("section '{}' (id {}): the head of subsection '{}' is none that QEMU writes",
                  escape(header.idstr), header.section_id, escape(damaged->name)),
      damaged->stops_a_load() ? LoadEffect::Refused : LoadEffect::Ignored);
}

// One that does not come the parser has told of.
void DescriptionChecks::take_off(const VmdescDevice& described) {
  auto found = times_.find({described.idstr, described.instance_id});
  if (found != times_.end() && found->second > 0) --found->second;
}

// Those that are not described at all have been told of. QEMU loads a device as often as it comes.
void DescriptionChecks::check_left_over(uint64_t vmdesc_offset) {
  for (const auto& [name, times] : times_) {
    if (times == 0 || undescribed_.contains(name)) continue;
    log_.add({.offset = vmdesc_offset,
              .message = fmt::format("'{}' instance {} comes more often than vmdesc describes it",
                                     escape(name.first), name.second),
              .effect = LoadEffect::Ignored});
  }
}

// Without a description only the names tell. These have no instance ids of their own.
void DescriptionChecks::finish() {
  if (has_description_) return;
  for (const auto& [name, times] : times_) {
    bool is_shared = name.first == "slirp" || name.first == "isa-ide";
    if (times < 2 || is_shared) continue;
    log_.add({.offset = log_.eof_offset().value_or(0),
              .message = fmt::format("section '{}' instance {} comes {} times", escape(name.first),
                                     name.second, times),
              .effect = LoadEffect::Ignored});
  }
}

}  // namespace vmstream
