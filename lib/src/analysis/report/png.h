// SPDX-License-Identifier: MIT
// Pictures as PNG files in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vmstream {

using Color = std::array<uint8_t, 3>;

/// A picture without compression: rows from the top, without padding.
struct Bitmap {
  uint32_t width = 0;
  uint32_t height = 0;
  std::vector<Color> palette = {};   ///< at most 256; empty: each pixel is three bytes RGB
  std::vector<uint8_t> pixels = {};  ///< width * height places in the palette, or colors
};

/// A whole PNG file; empty for a picture without pixels, or if memory is short.
std::vector<uint8_t> encode_png(const Bitmap& picture);

/// RFC 4648, with padding.
std::string base64(std::span<const uint8_t> bytes);

}  // namespace vmstream
