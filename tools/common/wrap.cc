// SPDX-License-Identifier: MIT
#include "common/wrap.h"

#include <algorithm>

namespace vmtools {

std::vector<std::string_view> wrap(std::string_view text, size_t columns) {
  std::vector<std::string_view> lines;
  do {
    size_t end = text.size();
    if (end > columns) {
      end = text.rfind(' ', columns);
      if (end == std::string_view::npos) end = std::min(text.find(' '), text.size());
    }
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  } while (!text.empty());
  return lines;
}

std::string shorten(std::string text, size_t columns) {
  constexpr size_t kMark = 2;
  if (text.size() <= columns) return text;
  size_t end = columns - std::min(columns, kMark);
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "..";
}

}  // namespace vmtools
