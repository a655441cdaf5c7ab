// SPDX-License-Identifier: MIT
// Damage to a description that leaves it readable: QEMU's own words, with a letter that is another.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <vmstream/vmdesc.h>

namespace vmstream {

/// A key that is a letter away from one that QEMU writes. Later releases may write others.
bool is_misspelt_key(std::string_view key);

/// What is wrong with a field, or a device, by itself; nothing if it is as QEMU writes it. What is
/// nested in it is not looked at.
std::optional<std::string> find_flaw(const VmdescField& field);
std::optional<std::string> find_flaw(const VmdescDevice& device);

}  // namespace vmstream
