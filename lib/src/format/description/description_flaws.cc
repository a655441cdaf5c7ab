// SPDX-License-Identifier: MIT
#include "format/description/description_flaws.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/text.h>
#include "base/damaged_name.h"
#include "format/description/device_value.h"

namespace vmstream {
namespace {

// Those of migration/savevm.c and migration/vmstate.c in QEMU.
constexpr std::array<std::string_view, 14> kKeys{
    "configuration", "page_size",   "devices", "name", "instance_id", "vmsd_name", "version",
    "fields",        "subsections", "size",    "type", "struct",      "index",     "array_len"};

// Names are taken from C: words, paths, expressions with brackets and operators.
bool has_odd_letter(std::string_view name) {
  constexpr std::string_view kOdd = "!\"$%;?\\^`{|}~";
  return !is_printable(name) || name.find_first_of(kOdd) != std::string_view::npos;
}

std::string odd_name(std::string_view kind, std::string_view name) {
  return fmt::format("the {} '{}' holds characters that no QEMU uses", kind, escape(name));
}

}  // namespace

bool is_misspelt_key(std::string_view key) {
  if (std::ranges::find(kKeys, key) != kKeys.end()) return false;
  return std::ranges::any_of(kKeys, [&](auto known) { return is_one_letter_off(key, known); });
}

std::optional<std::string> find_flaw(const VmdescField& field) {
  if (is_misspelt_type(field.type)) {
    return fmt::format("field '{}' has the type '{}', which no QEMU has", escape(field.name),
                       escape(field.type));
  }
  bool is_empty = field.fields.empty() && field.subsections.empty();
  if (field.type == "struct" && is_empty && field.size > 1) {
    return fmt::format("field '{}' is a struct of {} bytes without fields", escape(field.name),
                       field.size);
  }
  if (has_odd_letter(field.name)) return odd_name("name of field", field.name);
  if (has_odd_letter(field.type)) return odd_name("type", field.type);
  if (has_odd_letter(field.vmsd_name)) return odd_name("name of struct", field.vmsd_name);
  return std::nullopt;
}

// QEMU makes an idstr of a path and the name of what is described.
std::optional<std::string> find_flaw(const VmdescDevice& device) {
  if (!device.numbered) return "it has no instance id";
  if (!device.idstr.ends_with(device.vmsd_name)) {
    return fmt::format("it does not end with the name '{}' of what it describes",
                       escape(device.vmsd_name));
  }
  if (has_odd_letter(device.idstr)) return odd_name("name", device.idstr);
  return std::nullopt;
}

}  // namespace vmstream
