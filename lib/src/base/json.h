// SPDX-License-Identifier: MIT
// JSON as others write it, with every access checked. Exceptions are off in the library, so a
// value is looked at before it is converted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace vmstream {

using Json = nlohmann::json;

/// The object that `text` spells, or nothing.
inline std::optional<Json> parse_object(std::string_view text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || !value.is_object()) return std::nullopt;
  return value;
}

/// The member `key` of an object; null where `value` is no object or has none.
inline const Json* find_member(const Json& value, const char* key) {
  if (!value.is_object()) return nullptr;
  auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

/// Text member, empty where there is none.
inline std::string text_member(const Json& value, const char* key) {
  const Json* member = find_member(value, key);
  return member && member->is_string() ? member->get<std::string>() : std::string();
}

inline std::optional<uint64_t> number_member(const Json& value, const char* key) {
  const Json* member = find_member(value, key);
  if (!member || !member->is_number_unsigned()) return std::nullopt;
  return member->get<uint64_t>();
}

/// Whether the member is there and true.
inline bool true_member(const Json& value, const char* key) {
  const Json* member = find_member(value, key);
  return member && member->is_boolean() && member->get<bool>();
}

/// One line of text. Bytes that are no UTF-8 are replaced: the writer must not fail.
inline std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vmstream
