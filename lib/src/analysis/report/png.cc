// SPDX-License-Identifier: MIT
// A PNG file is a signature and chunks: length, type, content, CRC-32. The pixels are one zlib
// stream of rows, each with a byte in front that names its filter (none here).
#include "analysis/report/png.h"

#include <zlib.h>

#include <string_view>

namespace vmstream {

namespace {

void put_be32(std::vector<uint8_t>& into, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) into.push_back(static_cast<uint8_t>(value >> shift));
}

void put_chunk(std::vector<uint8_t>& into, std::string_view type,
               const std::vector<uint8_t>& content) {
  put_be32(into, static_cast<uint32_t>(content.size()));
  size_t start = into.size();
  into.insert(into.end(), type.begin(), type.end());
  into.insert(into.end(), content.begin(), content.end());
  auto covered = static_cast<uInt>(into.size() - start);
  put_be32(into, static_cast<uint32_t>(crc32(0, into.data() + start, covered)));
}

std::vector<uint8_t> head_of(const Bitmap& picture) {
  constexpr uint8_t kDepth = 8;
  constexpr uint8_t kTrueColor = 2;
  constexpr uint8_t kIndexed = 3;
  std::vector<uint8_t> head;
  put_be32(head, picture.width);
  put_be32(head, picture.height);
  uint8_t type = picture.palette.empty() ? kTrueColor : kIndexed;
  head.insert(head.end(), {kDepth, type, 0, 0, 0});
  return head;
}

std::vector<uint8_t> pack_rows(const Bitmap& picture, size_t row_bytes) {
  std::vector<uint8_t> rows;
  rows.reserve((row_bytes + 1) * picture.height);
  for (size_t y = 0; y < picture.height; ++y) {
    auto row = picture.pixels.begin() + static_cast<std::ptrdiff_t>(y * row_bytes);
    rows.push_back(0);
    rows.insert(rows.end(), row, row + static_cast<std::ptrdiff_t>(row_bytes));
  }
  uLongf length = compressBound(rows.size());
  std::vector<uint8_t> packed(length);
  if (compress2(packed.data(), &length, rows.data(), rows.size(), Z_BEST_SPEED + 5) != Z_OK) {
    return {};
  }
  packed.resize(length);
  return packed;
}

}  // namespace

std::vector<uint8_t> encode_png(const Bitmap& picture) {
  size_t row_bytes = size_t{picture.width} * (picture.palette.empty() ? 3 : 1);
  if (row_bytes == 0 || picture.height == 0) return {};
  if (picture.pixels.size() != row_bytes * picture.height) return {};
  auto rows = pack_rows(picture, row_bytes);
  if (rows.empty()) return {};
  std::vector<uint8_t> file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  put_chunk(file, "IHDR", head_of(picture));
  std::vector<uint8_t> palette;
  for (const Color& color : picture.palette) {
    palette.insert(palette.end(), color.begin(), color.end());
  }
  if (!palette.empty()) put_chunk(file, "PLTE", palette);
  put_chunk(file, "IDAT", rows);
  put_chunk(file, "IEND", {});
  return file;
}

std::string base64(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    size_t left = bytes.size() - at;
    uint32_t group = uint32_t{bytes[at]} << 16;
    if (left > 1) group |= uint32_t{bytes[at + 1]} << 8;
    if (left > 2) group |= bytes[at + 2];
    text += kDigits[group >> 18];
    text += kDigits[(group >> 12) & 63];
    text += left > 1 ? kDigits[(group >> 6) & 63] : '=';
    text += left > 2 ? kDigits[group & 63] : '=';
  }
  return text;
}

}  // namespace vmstream
