// SPDX-License-Identifier: MIT
#include <vmstream/device_state.h>

#include <algorithm>
#include <charconv>

#include "format/description/device_value.h"
#include "format/device/device_decoder.h"

namespace vmstream {
namespace {

// "[12]…": the number, taken off the front of `path`.
std::optional<uint64_t> take_index(std::string_view& path) {
  if (!path.starts_with('[')) return std::nullopt;
  uint64_t number = 0;
  auto [end, failure] = std::from_chars(path.data() + 1, path.data() + path.size(), number);
  if (failure != std::errc{} || end == path.data() + path.size() || *end != ']')
    return std::nullopt;
  path.remove_prefix(static_cast<size_t>(end - path.data()) + 1);
  return number;
}

std::optional<DeviceField> element_of(const DeviceField& field, uint64_t number) {
  if (field.kind == ValueKind::List) {
    if (number >= field.fields.size()) return std::nullopt;
    return field.fields[number];
  }
  if (number >= field.array_len.value_or(0)) return std::nullopt;
  return field.element(number);
}

FoundField find_in(const std::vector<DeviceField>& fields,
                   const std::vector<DeviceSubsection>& subsections, std::string_view path);

// `rest` is what follows the name of `field` in the path.
FoundField find_behind(const DeviceField& field, std::string_view rest) {
  if (rest.empty()) return {.field = field};
  if (rest.starts_with('.')) return find_in(field.fields, field.subsections, rest.substr(1));
  auto number = take_index(rest);
  auto element = number ? element_of(field, *number) : std::nullopt;
  return element ? find_behind(*element, rest) : FoundField{};
}

FoundField find_behind(const DeviceSubsection& subsection, std::string_view rest) {
  if (rest.empty()) return {.subsection = subsection};
  if (!rest.starts_with('.')) return {};
  return find_in(subsection.fields, subsection.subsections, rest.substr(1));
}

FoundField find_in(const std::vector<DeviceField>& fields,
                   const std::vector<DeviceSubsection>& subsections, std::string_view path) {
  std::vector<const DeviceField*> fitting;
  for (const DeviceField& field : fields) {
    if (!field.name.empty() && path.starts_with(field.name)) fitting.push_back(&field);
  }
  std::ranges::stable_sort(fitting, std::ranges::greater{},
                           [](const DeviceField* field) { return field->name.size(); });
  for (const DeviceField* field : fitting) {
    if (auto found = find_behind(*field, path.substr(field->name.size()))) return found;
  }
  for (const DeviceSubsection& subsection : subsections) {
    if (!path.starts_with(subsection.name)) continue;
    if (auto found = find_behind(subsection, path.substr(subsection.name.size()))) return found;
  }
  return {};
}

}  // namespace

DeviceState decode_device(const VmdescDevice& device, std::span<const std::byte> body,
                          uint64_t body_offset, DescriptionTrust trust) {
  return DeviceDecoder(device, body, body_offset, trust).decode();
}

DeviceState undescribed_device(std::span<const std::byte> body, uint64_t body_offset) {
  DeviceState state;
  if (body.empty()) return state;
  state.fields.push_back(make_field(kUndescribed, "unknown", body_offset, body));
  return state;
}

FoundField find_field(const DeviceState& state, std::string_view path) {
  return find_in(state.fields, state.subsections, path);
}

}  // namespace vmstream
