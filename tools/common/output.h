// SPDX-License-Identifier: MIT
// Results on stdout.
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/result.h>

namespace vmtools {

/// Appends to stdout. Errors stick to the stream and come out of flush_output().
void print(std::string_view text);

/// Prints `value` as indented JSON and a newline. Text that is no UTF-8 is shown with U+FFFD.
void print_json(const nlohmann::ordered_json& value);

/// Success means that everything printed has been written. A reader that closed the pipe, such as
/// head(1), has seen what it wanted: no error.
vmstream::Status flush_output();

}  // namespace vmtools
