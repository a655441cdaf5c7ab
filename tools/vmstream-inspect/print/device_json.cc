// SPDX-License-Identifier: MIT
// Devices as JSON.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "vmstream-inspect/print/device_view.h"

namespace vminspect {
namespace {

using nlohmann::ordered_json;
using vmstream::DeviceField;
using vmstream::DeviceSubsection;
using vmstream::escape;
using vmstream::ValueKind;

// A number in an array takes twenty bytes of memory or more: longer arrays are given as hex.
constexpr uint64_t kMostElements = 1u << 16;

ordered_json one_value(const DeviceField& field) {
  switch (field.kind) {
    case ValueKind::Unsigned:
      return field.as_unsigned();
    case ValueKind::Signed:
    case ValueKind::Timer:
      return field.as_signed();
    case ValueKind::Boolean:
      return field.as_boolean();
    case ValueKind::Real: {
      double value = field.as_real();
      return std::isfinite(value) ? ordered_json(value) : ordered_json(fmt::format("{}", value));
    }
    case ValueKind::Text:
      return escape(field.as_text());
    case ValueKind::Bitmap:
      return field.as_bit_ranges();
    case ValueKind::Null:
      return nullptr;
    case ValueKind::Bytes:
    case ValueKind::Struct:
    case ValueKind::List:
      break;
  }
  return hex_text(field.bytes);
}

ordered_json fields_json(const std::vector<DeviceField>& fields);

ordered_json subsection_json(const DeviceSubsection& subsection) {
  ordered_json json{{"name", escape(subsection.name)},
                    {"version", subsection.version},
                    {"offset", subsection.offset},
                    {"size", subsection.size},
                    {"fields", fields_json(subsection.fields)}};
  auto list = ordered_json::array();
  for (const auto& nested : subsection.subsections) list.push_back(subsection_json(nested));
  json["subsections"] = std::move(list);
  return json;
}

ordered_json subsections_json(const std::vector<DeviceSubsection>& subsections) {
  auto list = ordered_json::array();
  for (const auto& subsection : subsections) list.push_back(subsection_json(subsection));
  return list;
}

ordered_json field_json(const DeviceField& field) {
  ordered_json json{{"name", escape(field.name)}, {"type", escape(field.type)}};
  if (field.index) json["index"] = *field.index;
  json["offset"] = field.offset;
  json["size"] = field.size();
  if (field.array_len) json["array_len"] = *field.array_len;
  if (!field.is_composite()) {
    json["value"] = field_value(field);
    return json;
  }
  if (field.kind == ValueKind::List) json["array_len"] = field.fields.size();
  if (!field.vmsd_name.empty()) json["vmsd_name"] = escape(field.vmsd_name);
  if (field.built_in_layout) json["layout"] = "built-in";
  json["fields"] = fields_json(field.fields);
  if (!field.subsections.empty()) json["subsections"] = subsections_json(field.subsections);
  return json;
}

ordered_json fields_json(const std::vector<DeviceField>& fields) {
  auto list = ordered_json::array();
  for (const auto& field : fields) list.push_back(field_json(field));
  return list;
}

}  // namespace

std::string hex_text(std::span<const std::byte> bytes, std::string_view gap) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * (2 + gap.size()));
  for (std::byte byte : bytes) {
    if (!text.empty()) text += gap;
    text += kDigits[std::to_integer<size_t>(byte >> 4)];
    text += kDigits[std::to_integer<size_t>(byte & std::byte{15})];
  }
  return text;
}

ordered_json field_value(const DeviceField& field) {
  if (!field.array_len) return one_value(field);
  if (*field.array_len > kMostElements) return hex_text(field.bytes);
  auto list = ordered_json::array();
  for (uint64_t i = 0; i < *field.array_len; ++i) list.push_back(one_value(field.element(i)));
  return list;
}

ordered_json device_json(const vmstream::DecodedDevice& device) {
  const auto& header = device.section->header;
  ordered_json json{{"idstr", escape(header.idstr)},   {"instance_id", header.instance_id},
                    {"version_id", header.version_id}, {"section_id", header.section_id},
                    {"offset", header.offset},         {"length", device.section->length},
                    {"source", name_of(device.source)}};
  if (device.confidence) json["confidence"] = name_of(*device.confidence);
  if (!device.note.empty()) json["note"] = device.note;
  json["fields"] = fields_json(device.state.fields);
  json["subsections"] = subsections_json(device.state.subsections);
  return json;
}

}  // namespace vminspect
