// SPDX-License-Identifier: MIT
// JSON that is printed as it comes to be known, so that a list may have any length.
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace vmtools {

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

}  // namespace vmtools
