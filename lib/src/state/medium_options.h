// SPDX-License-Identifier: MIT
// How QEMU names a medium where the name of a file alone would not do.
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"

namespace vmstream {

/// The options that open a medium which QEMU calls "json:{...}"; empty for any other name.
inline std::optional<Json> medium_options(std::string_view medium) {
  constexpr std::string_view kMark = "json:";
  if (!medium.starts_with(kMark)) return std::nullopt;
  return parse_object(medium.substr(kMark.size()));
}

}  // namespace vmstream
