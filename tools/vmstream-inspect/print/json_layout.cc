// SPDX-License-Identifier: MIT
#include "vmstream-inspect/print/json_layout.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "common/json_text.h"
#include "common/output.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmtools::json_text;
using vmtools::print;

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

namespace {

// Deeper levels are set in no further, so that a text of nothing but brackets stays short.
constexpr size_t kDeepestIndent = 64;

class Layout {
 public:
  std::string of(std::string_view json) {
    for (size_t i = 0; i < json.size(); ++i) {
      if (in_string_) {
        i += take_of_string(json.substr(i)) - 1;
      } else {
        take(json[i]);
      }
    }
    return std::move(text_) + "\n";
  }

 private:
  // Inside of a string; gives the number of bytes taken.
  size_t take_of_string(std::string_view rest) {
    if (rest[0] == '\\' && rest.size() > 1) {
      text_ += rest.substr(0, 2);
      return 2;
    }
    if (rest[0] == '\x7f') {
      text_ += "\\u007f";
      return 1;
    }
    // U+0080 to U+009f in UTF-8.
    bool is_control = rest.size() > 1 && rest[0] == '\xc2' && (rest[1] & 0xe0) == 0x80;
    if (is_control) {
      text_ += fmt::format("\\u{:04x}", static_cast<unsigned char>(rest[1]));
      return 2;
    }
    if (rest[0] == '"') in_string_ = false;
    text_ += rest[0];
    return 1;
  }

  void take(char letter) {
    bool is_space = letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r';
    if (is_space) return;
    bool closes = letter == '}' || letter == ']';
    if (closes && depth_ > 0) --depth_;
    if (closes ? !opened_ : opened_ || line_due_) new_line();
    opened_ = letter == '{' || letter == '[';
    text_ += letter;
    if (opened_) ++depth_;
    if (letter == ',') line_due_ = true;
    if (letter == ':') text_ += ' ';
    in_string_ = letter == '"';
  }

  void new_line() {
    text_ += '\n';
    text_.append(2 * std::min(depth_, kDeepestIndent), ' ');
    line_due_ = false;
  }

  std::string text_;
  size_t depth_ = 0;
  bool in_string_ = false;
  bool opened_ = false;    // the last letter was an opening bracket
  bool line_due_ = false;  // it was a comma
};

}  // namespace

std::string pretty_json(std::string_view json) {
  return Layout().of(json);
}

}  // namespace vminspect
