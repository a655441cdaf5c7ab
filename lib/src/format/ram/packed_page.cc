// SPDX-License-Identifier: MIT
#include "format/ram/packed_page.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace vmstream {
namespace {

// A run's length in ULEB128 of at most two bytes, taken off the front of `delta`.
std::optional<size_t> take_length(std::span<const std::byte>& delta) {
  if (delta.empty()) return std::nullopt;
  auto low = std::to_integer<size_t>(delta[0]);
  if (low < 0x80) {
    delta = delta.subspan(1);
    return low;
  }
  if (delta.size() < 2) return std::nullopt;
  auto high = std::to_integer<size_t>(delta[1]);
  delta = delta.subspan(2);
  if (high >= 0x80) return std::nullopt;
  return (low & 0x7f) | (high << 7);
}

}  // namespace

std::optional<size_t> inflate_front(std::span<const std::byte> packed, std::span<std::byte> page) {
  auto length = static_cast<uLongf>(page.size());
  int done = ::uncompress(reinterpret_cast<Bytef*>(page.data()), &length,
                          reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  return done == Z_OK ? std::optional<size_t>(length) : std::nullopt;
}

bool inflate_page(std::span<const std::byte> packed, std::span<std::byte> page) {
  return inflate_front(packed, page) == page.size();
}

bool apply_xbzrle(std::span<const std::byte> delta, std::span<std::byte> page) {
  if (delta.empty()) return false;
  for (bool first = true; !delta.empty(); first = false) {
    auto kept = take_length(delta);
    if (!kept || (*kept == 0 && !first) || *kept > page.size()) return false;
    page = page.subspan(*kept);
    auto fresh = take_length(delta);
    if (!fresh || *fresh == 0 || *fresh > delta.size() || *fresh > page.size()) return false;
    std::ranges::copy(delta.first(*fresh), page.begin());
    delta = delta.subspan(*fresh);
    page = page.subspan(*fresh);
  }
  return true;
}

}  // namespace vmstream
