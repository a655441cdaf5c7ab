// SPDX-License-Identifier: MIT
// Text from a stream in an HTML document, and the drawings of a report.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/physical_map.h>
#include <vmstream/ram_usage.h>
#include "analysis/report/png.h"

namespace vmstream {

/// `text` as an element's content or a quoted attribute: escape()d, so that no control character is
/// left, then with the five signs of HTML as references.
std::string html_text(std::string_view text);
/// The same of text that is known to be UTF-8 without control characters.
std::string html_signs(std::string_view text);

/// An <img> with the picture in it; empty where there is none.
std::string picture_html(const Bitmap& picture, std::string_view words);

/// The ranges from the lowest address up, as boxes whose heights grow with the logarithm of their
/// lengths, holes between them. At most kMostDrawnRanges of them.
std::string memory_map_svg(const PhysicalMap& map);
inline constexpr size_t kMostDrawnRanges = 160;

/// Vertical bars with their values. Of many, neighbours are added up.
struct Bar {
  std::string label;
  uint64_t value = 0;
};
std::string bars_svg(std::vector<Bar> bars, std::string_view words);

}  // namespace vmstream
