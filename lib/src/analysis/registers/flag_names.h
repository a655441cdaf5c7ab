// SPDX-License-Identifier: MIT
// The bits of control registers by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vmstream {

struct FlagName {
  unsigned bit;
  std::string_view name;
};

/// The names of the bits that are set, lowest first: "PE ET PG".
std::string flags_of(uint64_t value, std::span<const FlagName> names);

/// The flags of an x86 register by its name ("cr0", "efer", …); empty where it has none.
std::string x86_meaning(std::string_view name, uint64_t value);
/// What QEMU's flags of a segment say: "code 64-bit, dpl 0".
std::string x86_segment_meaning(uint64_t flags);
/// "NZCv EL1h daif"-like: condition flags and masks that are set, exception level and stack.
std::string aarch64_pstate_meaning(uint64_t pstate);

}  // namespace vmstream
