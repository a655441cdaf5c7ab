// SPDX-License-Identifier: MIT
// The embedded description, laid out for people.
#pragma once

#include <string>
#include <string_view>

namespace vmtools {

/// `json` with one member a line. Nothing else changes: order, equal keys and the way numbers and
/// strings are written stay, so that what is printed is what the stream holds. Control characters
/// that JSON allows are written as \u00NN. The text must be JSON.
std::string pretty_json(std::string_view json);

}  // namespace vmtools
