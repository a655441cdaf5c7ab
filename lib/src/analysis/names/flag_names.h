// SPDX-License-Identifier: MIT
// Flags of a record's word, by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vmstream::analysis {

struct FlagName {
  uint64_t bit = 0;
  std::string_view name;
};

/// Those of `table` that are set, with a space between them.
inline std::string flag_names(std::span<const FlagName> table, uint64_t flags) {
  std::string names;
  for (const FlagName& flag : table) {
    if ((flags & flag.bit) == 0) continue;
    if (!names.empty()) names += ' ';
    names += flag.name;
  }
  return names;
}

}  // namespace vmstream::analysis
