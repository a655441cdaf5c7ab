// SPDX-License-Identifier: MIT
#include "analysis/mount/memory_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace vmstream {

MemoryLayout lay_out_physical(const std::vector<ImageStretch>& stretches) {
  MemoryLayout layout;
  for (const ImageStretch& stretch : stretches) {
    layout.pieces.push_back({stretch.address, stretch.address, stretch.length});
    layout.file_bytes = stretch.end();
  }
  return layout;
}

Status MemoryFile::read_at(uint64_t offset, std::span<std::byte> into) {
  if (offset > length() || into.size() > length() - offset) {
    return Error{Errc::Truncated, fmt::format("{} bytes from {:#x} on reach past the end, {:#x}",
                                              into.size(), offset, length())};
  }
  std::ranges::fill(into, std::byte{0});
  if (offset < layout_.head.size()) {
    auto count = std::min<uint64_t>(into.size(), layout_.head.size() - offset);
    std::copy_n(layout_.head.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
  }
  const uint64_t end = offset + into.size();
  auto piece = std::ranges::partition_point(
      layout_.pieces, [offset](const auto& each) { return each.offset + each.length <= offset; });
  for (; piece != layout_.pieces.end() && piece->offset < end; ++piece) {
    uint64_t first = std::max(offset, piece->offset);
    uint64_t count = std::min(end, piece->offset + piece->length) - first;
    auto read =
        memory_.read(piece->address + (first - piece->offset),
                     into.subspan(static_cast<size_t>(first - offset), static_cast<size_t>(count)));
    if (!read) return read.error();
  }
  return ok();
}

}  // namespace vmstream
