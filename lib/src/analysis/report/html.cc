// SPDX-License-Identifier: MIT
#include "analysis/report/html.h"

#include <fmt/format.h>

#include <vmstream/text.h>

namespace vmstream {

std::string html_signs(std::string_view text) {
  std::string html;
  html.reserve(text.size());
  for (char letter : text) {
    switch (letter) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += letter;
    }
  }
  return html;
}

std::string html_text(std::string_view text) {
  return html_signs(escape(text));
}

std::string picture_html(const Bitmap& picture, std::string_view words) {
  auto file = encode_png(picture);
  if (file.empty()) return "";
  return fmt::format(R"(<img width="{}" height="{}" alt="{}" src="data:image/png;base64,{}">)",
                     picture.width, picture.height, html_text(words), base64(file));
}

}  // namespace vmstream
