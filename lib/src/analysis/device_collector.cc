// SPDX-License-Identifier: MIT
#include <vmstream/device_collector.h>

namespace vmstream {

std::string_view name_of(DescriptionSource source) {
  switch (source) {
    case DescriptionSource::Vmdesc:
      return "vmdesc";
    case DescriptionSource::None:
      return "none";
  }
  return "unknown";
}

DecodedDevice DeviceCollector::decode(const DeviceSection& section) const {
  const SectionHeader& header = section.header;
  const VmdescDevice* device = vmdesc_ ? vmdesc_->find(header.idstr, header.instance_id) : nullptr;
  if (device == nullptr) {
    return {&section, DescriptionSource::None,
            undescribed_device(section.body, header.body_offset)};
  }
  return {&section, DescriptionSource::Vmdesc,
          decode_device(*device, section.body, header.body_offset)};
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
