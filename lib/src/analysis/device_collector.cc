// SPDX-License-Identifier: MIT
#include <vmstream/device_collector.h>

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

namespace {

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
  if (schema_ && !vmdesc_) {
    if (auto decoded = decode_by_schema(section)) return std::move(*decoded);
  }
  return {.section = &section, .state = undescribed_device(section.body, header.body_offset)};
}

std::optional<DecodedDevice> DeviceCollector::decode_by_schema(const DeviceSection& section) const {
  const SectionHeader& header = section.header;
  for (const VmdescDevice* device : candidates(schema_->vmdesc, header)) {
    auto state =
        decode_device(*device, section.body, header.body_offset, DescriptionTrust::Foreign);
    if (!state.covers_body || !state.problems.empty()) continue;
    return DecodedDevice{.section = &section,
                         .source = DescriptionSource::Schema,
                         .same_machine = !machine_.empty() && machine_ == schema_->machine,
                         .state = std::move(state)};
  }
  return std::nullopt;
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
  if (auto parsed = Vmdesc::parse(vmdesc.json)) vmdesc_ = std::move(*parsed);
  return SummaryCollector::on_vmdesc(vmdesc);
}

}  // namespace vmstream
