// SPDX-License-Identifier: MIT
// Devices as XML.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "vmstream-inspect/print/device_view.h"

namespace vminspect {
namespace {

using vmstream::DeviceField;
using vmstream::DeviceSubsection;

std::string indent(size_t depth) {
  return std::string(2 * depth, ' ');
}

// Numbers and the like as in JSON, without its quotes; elements are set apart by spaces.
std::string value_text(const nlohmann::ordered_json& value) {
  if (value.is_string()) return xml_text(value.get_ref<const std::string&>());
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const auto& element : value) {
    text += (text.empty() ? "" : " ") + value_text(element);
  }
  return text;
}

class DeviceElement {
 public:
  explicit DeviceElement(bool with_offsets) : with_offsets_(with_offsets) {}

  std::string of(const vmstream::DecodedDevice& device);

 private:
  void append_field(const DeviceField& field, size_t depth);
  void append_subsections(const std::vector<DeviceSubsection>& subsections, size_t depth);
  std::string offset(uint64_t value) const {
    return with_offsets_ ? fmt::format(" offset=\"{}\"", value) : "";
  }

  bool with_offsets_;
  std::string out_;
};

void DeviceElement::append_field(const DeviceField& field, size_t depth) {
  out_ += fmt::format("{}<field name=\"{}\" type=\"{}\"", indent(depth), xml_text(field.name),
                      xml_text(field.type));
  if (field.index) out_ += fmt::format(" index=\"{}\"", *field.index);
  out_ += fmt::format("{} size=\"{}\"", offset(field.offset), field.size());
  if (field.array_len) out_ += fmt::format(" array_len=\"{}\"", *field.array_len);
  if (!field.vmsd_name.empty()) {
    out_ += fmt::format(" vmsd_name=\"{}\"", xml_text(field.vmsd_name));
  }
  if (field.built_in_layout) out_ += " layout=\"built-in\"";
  if (!field.is_composite()) {
    out_ += fmt::format(">{}</field>\n", value_text(field_value(field)));
    return;
  }
  out_ += ">\n";
  for (const auto& nested : field.fields) append_field(nested, depth + 1);
  append_subsections(field.subsections, depth + 1);
  out_ += indent(depth) + "</field>\n";
}

void DeviceElement::append_subsections(const std::vector<DeviceSubsection>& subsections,
                                       size_t depth) {
  for (const auto& subsection : subsections) {
    out_ += fmt::format("{}<subsection name=\"{}\" version=\"{}\"{} size=\"{}\">\n", indent(depth),
                        xml_text(subsection.name), subsection.version, offset(subsection.offset),
                        subsection.size);
    for (const auto& field : subsection.fields) append_field(field, depth + 1);
    append_subsections(subsection.subsections, depth + 1);
    out_ += indent(depth) + "</subsection>\n";
  }
}

std::string DeviceElement::of(const vmstream::DecodedDevice& device) {
  const auto& header = device.section->header;
  std::string inferred;
  if (device.confidence) inferred = fmt::format(" confidence=\"{}\"", name_of(*device.confidence));
  if (!device.note.empty()) inferred = fmt::format(" note=\"{}\"", xml_text(device.note));
  out_ = fmt::format(
      "  <device idstr=\"{}\" instance_id=\"{}\" version_id=\"{}\" section_id=\"{}\"{} "
      "length=\"{}\" source=\"{}\"{}>\n",
      xml_text(header.idstr), header.instance_id, header.version_id, header.section_id,
      offset(header.offset), device.section->length, name_of(device.source), inferred);
  for (const auto& field : device.state.fields) append_field(field, 2);
  append_subsections(device.state.subsections, 2);
  return std::move(out_) + "  </device>\n";
}

}  // namespace

std::string xml_text(std::string_view text) {
  std::string safe;
  for (char letter : vmstream::escape(text)) {
    switch (letter) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += letter;
    }
  }
  return safe;
}

std::string device_xml(const vmstream::DecodedDevice& device, bool with_offsets) {
  return DeviceElement(with_offsets).of(device);
}

}  // namespace vminspect
