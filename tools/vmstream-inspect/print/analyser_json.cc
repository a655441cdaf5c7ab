// SPDX-License-Identifier: MIT
// Devices as QEMU's analyze-migration.py prints them: an object of its fields, numbers as text of
// hex digits as wide as the field, everything the script knows no type for as pairs of digits.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include <vmstream/text.h>
#include "vmstream-inspect/print/device_view.h"

namespace vminspect {
namespace {

using nlohmann::ordered_json;
using vmstream::DeviceField;
using vmstream::DeviceSubsection;
using vmstream::escape;
using vmstream::ValueKind;

constexpr std::array<std::string_view, 5> kUnsigned = {"uint8", "uint16", "uint32", "uint64",
                                                       "uint32 equal"};
// Two that are unsigned are taken for signed numbers there.
constexpr std::array<std::string_view, 9> kSigned = {"int8",        "int16",       "int32",
                                                     "int64",       "int32 equal", "int32 le",
                                                     "int64 equal", "uint8 equal", "uint16 equal"};

// Real arrays have some thousands; more would take memory without end.
constexpr uint64_t kMostElements = 1u << 20;

bool is_one_of(std::span<const std::string_view> types, std::string_view type) {
  return std::ranges::find(types, type) != types.end();
}

// An object whose members are appended, as a search for equal names in each step would take long.
class Members {
 public:
  // A name that comes again makes an array of what it stands for.
  void add(std::string name, ordered_json value) {
    auto [known, is_new] = places_.try_emplace(name, object_.size());
    if (is_new) {
      object_.emplace_back(std::move(name), std::move(value));
      return;
    }
    ordered_json& there = object_[known->second].second;
    if (!there.is_array()) there = ordered_json::array({std::move(there)});
    there.push_back(std::move(value));
  }
  ordered_json take() {
    ordered_json json = ordered_json::object();
    using Base = std::vector<ordered_json::object_t::value_type>;
    static_cast<Base&>(json.get_ref<ordered_json::object_t&>()) = std::move(object_);
    return json;
  }

 private:
  std::vector<ordered_json::object_t::value_type> object_;
  std::unordered_map<std::string, size_t> places_;
};

ordered_json members_of(const std::vector<DeviceField>& fields,
                        const std::vector<DeviceSubsection>& subsections);

std::string number_text(const DeviceField& field, bool is_signed) {
  std::string digits = "0x" + hex_text(field.bytes);
  int64_t value = field.as_signed();
  return is_signed && value < 0 ? fmt::format("{} ({})", digits, value) : digits;
}

ordered_json one_value(const DeviceField& field) {
  if (field.kind == ValueKind::Struct && field.type == "struct") {
    return members_of(field.fields, field.subsections);
  }
  if (field.kind == ValueKind::Null && field.type != "uint64") return "nullptr";
  if (field.type == "bool") return field.as_boolean();
  if (is_one_of(kUnsigned, field.type)) return number_text(field, false);
  if (is_one_of(kSigned, field.type)) return number_text(field, true);
  return hex_text(field.bytes, " ");
}

ordered_json value_of(const DeviceField& field) {
  bool is_opaque = field.type == "qtailq" || field.type == "qlist" || field.type == "gtree";
  auto list = ordered_json::array();
  if (field.kind == ValueKind::List && !is_opaque) {
    for (const auto& element : field.fields) list.push_back(value_of(element));
    return list;
  }
  if (!field.array_len || *field.array_len > kMostElements) return one_value(field);
  list.get_ref<ordered_json::array_t&>().reserve(*field.array_len);
  for (uint64_t i = 0; i < *field.array_len; ++i) list.push_back(one_value(field.element(i)));
  return list;
}

ordered_json members_of(const std::vector<DeviceField>& fields,
                        const std::vector<DeviceSubsection>& subsections) {
  Members members;
  for (const auto& field : fields) members.add(escape(field.name), value_of(field));
  for (const auto& subsection : subsections) {
    members.add(escape(subsection.name), members_of(subsection.fields, subsection.subsections));
  }
  return members.take();
}

}  // namespace

ordered_json analyser_json(const vmstream::DecodedDevice& device) {
  // The form for devices that describe themselves as mere bytes.
  if (device.source == vmstream::DescriptionSource::None) {
    return {{"data", hex_text(device.section->body, " ")}};
  }
  return members_of(device.state.fields, device.state.subsections);
}

}  // namespace vminspect
