// SPDX-License-Identifier: MIT
// JSON as all tools write it. Readers that keep numbers as doubles (jq 1.6, JavaScript) round those
// above 2^53: every integer that can be larger has its hexadecimal text beside it.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace vmtools {

/// Whether an integer of this name can be larger than 2^53: offsets, lengths, sizes, addresses,
/// nanoseconds, counts of bytes, and the counts of pages that are made from a length alone.
bool is_wide_name(std::string_view name);

/// `value` with `indent` columns a level; on one line where that is negative. Behind an integer
/// NAME of a wide name follows its text, "NAME_hex": "0x…". Behind a "value" whose integers have
/// eight bytes, by the "size" and "array_len" of the same object, follows "hex", of the same shape;
/// negative ones are shown as their 64 bits. Text that is no UTF-8 is shown with U+FFFD.
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace vmtools
