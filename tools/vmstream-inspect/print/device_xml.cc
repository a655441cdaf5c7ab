// SPDX-License-Identifier: MIT
// Devices as XML.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "vmstream-inspect/print/device_view.h"

namespace vmtools {
namespace {

using vmstream::DeviceField;
using vmstream::DeviceSubsection;

void append_subsections(std::string& out, const std::vector<DeviceSubsection>& subsections,
                        size_t depth);

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

void append_field(std::string& out, const DeviceField& field, size_t depth) {
  out += fmt::format("{}<field name=\"{}\" type=\"{}\"", indent(depth), xml_text(field.name),
                     xml_text(field.type));
  if (field.index) out += fmt::format(" index=\"{}\"", *field.index);
  out += fmt::format(" offset=\"{}\" size=\"{}\"", field.offset, field.size());
  if (field.array_len) out += fmt::format(" array_len=\"{}\"", *field.array_len);
  if (!field.vmsd_name.empty()) {
    out += fmt::format(" vmsd_name=\"{}\"", xml_text(field.vmsd_name));
  }
  if (field.built_in_layout) out += " layout=\"built-in\"";
  if (!field.is_composite()) {
    out += fmt::format(">{}</field>\n", value_text(field_value(field)));
    return;
  }
  out += ">\n";
  for (const auto& nested : field.fields) append_field(out, nested, depth + 1);
  append_subsections(out, field.subsections, depth + 1);
  out += indent(depth) + "</field>\n";
}

void append_subsections(std::string& out, const std::vector<DeviceSubsection>& subsections,
                        size_t depth) {
  for (const auto& subsection : subsections) {
    out += fmt::format("{}<subsection name=\"{}\" version=\"{}\" offset=\"{}\" size=\"{}\">\n",
                       indent(depth), xml_text(subsection.name), subsection.version,
                       subsection.offset, subsection.size);
    for (const auto& field : subsection.fields) append_field(out, field, depth + 1);
    append_subsections(out, subsection.subsections, depth + 1);
    out += indent(depth) + "</subsection>\n";
  }
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

std::string device_xml(const vmstream::DecodedDevice& device) {
  const auto& header = device.section->header;
  std::string inferred;
  if (device.confidence) inferred = fmt::format(" confidence=\"{}\"", name_of(*device.confidence));
  if (!device.note.empty()) inferred = fmt::format(" note=\"{}\"", xml_text(device.note));
  std::string out = fmt::format(
      "  <device idstr=\"{}\" instance_id=\"{}\" version_id=\"{}\" section_id=\"{}\" "
      "offset=\"{}\" length=\"{}\" source=\"{}\"{}>\n",
      xml_text(header.idstr), header.instance_id, header.version_id, header.section_id,
      header.offset, device.section->length, name_of(device.source), inferred);
  for (const auto& field : device.state.fields) append_field(out, field, 2);
  append_subsections(out, device.state.subsections, 2);
  return out + "  </device>\n";
}

}  // namespace vmtools
