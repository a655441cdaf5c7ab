// SPDX-License-Identifier: MIT
#include "vmstream-inspect/print/json_rows.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/json_text.h"
#include "common/output.h"

namespace vmtools {

using nlohmann::ordered_json;

void JsonRows::open(const ordered_json& head, std::string_view key) {
  std::string members = json_text(head);
  members.pop_back();
  print(fmt::format("{},\n\"{}\": [", members, key));
}

void JsonRows::add(const ordered_json& element) {
  print(fmt::format("{}\n{}", any_ ? "," : "", json_text(element)));
  any_ = true;
}

void JsonRows::close(const ordered_json& tail) {
  print(fmt::format("\n],\n{}\n", json_text(tail).substr(1)));
}

}  // namespace vmtools
