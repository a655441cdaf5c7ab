// SPDX-License-Identifier: MIT
#include "vmstream-inspect/print/json_rows.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/output.h"

namespace vmtools {
namespace {

using nlohmann::ordered_json;

// On one line.
std::string text_of(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

void JsonRows::open(const ordered_json& head, std::string_view key) {
  std::string members = text_of(head);
  members.pop_back();
  print(fmt::format("{},\n\"{}\": [", members, key));
}

void JsonRows::add(const ordered_json& element) {
  print(fmt::format("{}\n{}", any_ ? "," : "", text_of(element)));
  any_ = true;
}

void JsonRows::close(const ordered_json& tail) {
  print(fmt::format("\n],\n{}\n", text_of(tail).substr(1)));
}

}  // namespace vmtools
