// SPDX-License-Identifier: MIT
// JSON in lines: an answer that is printed as it comes to be known, and the embedded description,
// laid out for people.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace vminspect {

/// One object on stdout: first members, a list with an element a line, last members.
class JsonRows {
 public:
  /// The members of `head`, which are at least one, and the list's key.
  void open(const nlohmann::ordered_json& head, std::string_view key);
  void add(const nlohmann::ordered_json& element);
  /// The members of `tail`, which are at least one.
  void close(const nlohmann::ordered_json& tail);

 private:
  bool any_ = false;
};

/// `json` with one member a line. Nothing else changes: order, equal keys and the way numbers and
/// strings are written stay, so that what is printed is what the stream holds. Control characters
/// that JSON allows are written as \u00NN. The text must be JSON.
std::string pretty_json(std::string_view json);

}  // namespace vminspect
