// SPDX-License-Identifier: MIT
#include <vmstream/device_collector.h>

#include <utility>

namespace vmstream {

std::string_view name_of(DescriptionSource source) {
  switch (source) {
    case DescriptionSource::Vmdesc:
      return "vmdesc";
    case DescriptionSource::Schema:
      return "schema";
    case DescriptionSource::None:
      return "none";
  }
  return "unknown";
}

std::string_view name_of(Confidence confidence) {
  switch (confidence) {
    case Confidence::High:
      return "high";
    case Confidence::Medium:
      return "medium";
    case Confidence::Low:
      return "low";
  }
  return "unknown";
}

namespace {

DecodedDevice leave_undescribed(const DeviceSection& section, std::string note = {}) {
  return {.section = &section,
          .note = std::move(note),
          .state = undescribed_device(section.body, section.header.body_offset)};
}

// Instances of a device are alike, so that the description of one serves for another.
std::vector<const VmdescDevice*> candidates(const Vmdesc& schema, const SectionHeader& header) {
  std::vector<const VmdescDevice*> found;
  for (const VmdescDevice& device : schema.devices()) {
    if (device.idstr != header.idstr || device.version != header.version_id) continue;
    bool same_instance = device.instance_id == header.instance_id;
    found.insert(same_instance ? found.begin() : found.end(), &device);
  }
  return found;
}

}  // namespace

DecodedDevice DeviceCollector::decode(const DeviceSection& section) const {
  const SectionHeader& header = section.header;
  const VmdescDevice* device = vmdesc_ ? vmdesc_->find(header.idstr, header.instance_id) : nullptr;
  if (device != nullptr) {
    return {.section = &section,
            .source = DescriptionSource::Vmdesc,
            .state = decode_device(*device, section.body, header.body_offset)};
  }
  return schema_ && (!vmdesc_ || described_in_part_) ? decode_by_schema(section)
                                                     : leave_undescribed(section);
}

DecodedDevice DeviceCollector::decode_by_schema(const DeviceSection& section) const {
  return std::visit([&](const auto& schema) { return decode_by(schema, section); },
                    schema_->descriptions);
}

DecodedDevice DeviceCollector::decode_by(const Vmdesc& schema, const DeviceSection& section) const {
  const SectionHeader& header = section.header;
  auto devices = candidates(schema, header);
  for (const VmdescDevice* device : devices) {
    auto state =
        decode_device(*device, section.body, header.body_offset, DescriptionTrust::Foreign);
    if (!state.covers_body || !state.problems.empty()) continue;
    return {.section = &section,
            .source = DescriptionSource::Schema,
            .confidence = is_same_machine() ? Confidence::High : Confidence::Medium,
            .state = std::move(state)};
  }
  return leave_undescribed(section, devices.empty()
                                        ? "the schema has no such device of this version"
                                        : "the schema's fields do not fit the body");
}

DecodedDevice DeviceCollector::decode_by(const VmstateDump& schema,
                                         const DeviceSection& section) const {
  auto device = schema.describe(section.header, section.body);
  if (!device) return leave_undescribed(section, device.error().message);
  DecodedDevice decoded{.section = &section,
                        .source = DescriptionSource::Schema,
                        .confidence = is_same_machine() ? Confidence::Medium : Confidence::Low,
                        .drawn_up = std::make_shared<const VmdescDevice>(std::move(*device))};
  decoded.state = decode_device(*decoded.drawn_up, section.body, section.header.body_offset);
  return decoded;
}

bool DeviceCollector::is_same_machine() const {
  return !machine_.empty() && machine_ == schema_->machine;
}

Status DeviceCollector::on_configuration(const Configuration& configuration) {
  machine_ = configuration.machine;
  return SummaryCollector::on_configuration(configuration);
}

Status DeviceCollector::on_section(const SectionHeader& header) {
  keeping_ = header.type == SectionType::Full && (!wanted_ || wanted_(header));
  if (keeping_) sections_.push_back({.header = header});
  return SummaryCollector::on_section(header);
}

Status DeviceCollector::on_body(uint64_t offset, std::span<const std::byte> bytes) {
  if (keeping_) {
    if (bytes.size() > kKeptDeviceBytes - kept_bytes_) {
      return Error{Errc::Unsupported, "the device sections hold more bytes than can be kept",
                   offset};
    }
    kept_bytes_ += bytes.size();
    auto& body = sections_.back().body;
    body.insert(body.end(), bytes.begin(), bytes.end());
  }
  return SummaryCollector::on_body(offset, bytes);
}

Status DeviceCollector::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  if (keeping_) sections_.back().length = end.end_offset - header.offset;
  keeping_ = false;
  return SummaryCollector::on_section_end(header, end);
}

Status DeviceCollector::on_vmdesc(const VmdescRecord& vmdesc) {
  described_in_part_ = vmdesc.description->fault().has_value();
  vmdesc_ = vmdesc.description;
  return SummaryCollector::on_vmdesc(vmdesc);
}

Status DeviceCollector::on_cut_vmdesc(const VmdescRecord& vmdesc) {
  described_in_part_ = true;
  vmdesc_ = vmdesc.description;
  return SummaryCollector::on_cut_vmdesc(vmdesc);
}

}  // namespace vmstream
