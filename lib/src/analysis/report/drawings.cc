// SPDX-License-Identifier: MIT
// Drawings of a report, as SVG within the page. Their colors come from the page's style sheet.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <vmstream/text.h>
#include "analysis/report/html.h"

namespace vmstream {

namespace {

constexpr unsigned kMapWidth = 760;
constexpr unsigned kBoxLeft = 170;
constexpr unsigned kBoxWidth = 250;

unsigned box_height(uint64_t length) {
  constexpr double kPage = 4096;
  double doublings = std::log2(std::max(1.0, static_cast<double>(length) / kPage));
  return 20 + static_cast<unsigned>(doublings * 2.2);
}

std::string box_svg(const PhysicalRange& range, unsigned y, unsigned height) {
  unsigned middle = y + height / 2 + 4;
  std::string words = fmt::format("{} {}", escape(range.block),
                                  range.offset == 0 ? "" : fmt::format("+ {:#x}", range.offset));
  return fmt::format(R"(<rect class="{0}" x="{1}" y="{2}" width="{3}" height="{4}" rx="3"/>)"
                     R"(<text class="address" x="{5}" y="{6}">{7:#x}</text>)"
                     R"(<text class="inside" x="{8}" y="{9}">{10} {0}</text>)"
                     R"(<text x="{11}" y="{9}">{12} <tspan class="faint">{13}</tspan></text>)",
                     name_of(range.kind), kBoxLeft, y, kBoxWidth, height, kBoxLeft - 10, y + 12,
                     range.address, kBoxLeft + 12, middle, format_size(range.length),
                     kBoxLeft + kBoxWidth + 14, html_signs(words), name_of(range.proof));
}

std::string hole_svg(uint64_t from, uint64_t length, unsigned y, unsigned height) {
  return fmt::format(R"(<rect class="hole" x="{0}" y="{1}" width="{2}" height="{3}"/>)"
                     R"(<text class="address" x="{4}" y="{5}">{6:#x}</text>)"
                     R"(<text class="faint" x="{7}" y="{8}">{9}, no memory</text>)",
                     kBoxLeft, y, kBoxWidth, height, kBoxLeft - 10, y + 12, from, kBoxLeft + 12,
                     y + height / 2 + 4, format_size(length));
}

}  // namespace

std::string memory_map_svg(const PhysicalMap& map) {
  constexpr unsigned kHoleHeight = 20;
  std::string boxes;
  unsigned y = 4;
  uint64_t address = 0;
  size_t drawn = 0;
  for (const PhysicalRange& range : map.ranges()) {
    if (drawn++ == kMostDrawnRanges) break;
    if (range.address > address) {
      boxes += hole_svg(address, range.address - address, y, kHoleHeight);
      y += kHoleHeight + 2;
    }
    unsigned height = box_height(range.length);
    boxes += box_svg(range, y, height);
    y += height + 2;
    address = range.end();
  }
  return fmt::format(
      R"(<svg class="map" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" )"
      "aria-label=\"ranges of the guest's physical addresses\">{2}</svg>",
      kMapWidth, y + 4, boxes);
}

namespace {

// Neighbours become one until there are few enough.
void add_up(std::vector<Bar>& bars) {
  constexpr size_t kMostBars = 60;
  size_t each = (bars.size() + kMostBars - 1) / kMostBars;
  if (each < 2) return;
  std::vector<Bar> fewer;
  for (size_t i = 0; i < bars.size(); ++i) {
    if (i % each == 0) {
      fewer.push_back(bars[i]);
    } else {
      fewer.back().value += bars[i].value;
    }
  }
  bars = std::move(fewer);
}

}  // namespace

std::string bars_svg(std::vector<Bar> bars, std::string_view words) {
  constexpr unsigned kWidth = 760;
  constexpr unsigned kHeight = 120;
  add_up(bars);
  uint64_t highest = 1;
  for (const Bar& bar : bars) highest = std::max(highest, bar.value);
  auto count = std::max<size_t>(1, bars.size());
  double step = std::min(70.0, static_cast<double>(kWidth) / static_cast<double>(count));
  std::string drawing;
  for (size_t i = 0; i < bars.size(); ++i) {
    double x = static_cast<double>(i) * step;
    double part = static_cast<double>(bars[i].value) / static_cast<double>(highest);
    double height = bars[i].value == 0 ? 0 : std::max(1.0, part * kHeight);
    double top = 18 + kHeight - height;
    drawing += fmt::format(
        R"(<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">)"
        "<title>{}: {}</title></rect>",
        x + step * 0.1, top, step * 0.8, height, html_text(bars[i].label), bars[i].value);
    if (step < 30) continue;
    drawing +=
        fmt::format(R"(<text class="small" x="{0:.1f}" y="{1:.1f}">{2}</text>)"
                    R"(<text class="small faint" x="{0:.1f}" y="{3}">{4}</text>)",
                    x + step / 2, top - 4, bars[i].value, kHeight + 34, html_text(bars[i].label));
  }
  return fmt::format(
      R"(<svg class="bars" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" )"
      R"(aria-label="{2}"><line x1="0" x2="{0}" y1="{3}" y2="{3}"/>{4}</svg>)",
      kWidth, kHeight + 42, html_text(words), kHeight + 18, drawing);
}

}  // namespace vmstream
