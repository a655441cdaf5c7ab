// SPDX-License-Identifier: MIT
#include "format/ram/compressed_page.h"

#include <zlib.h>

namespace vmstream {

std::optional<size_t> inflate_front(std::span<const std::byte> packed, std::span<std::byte> page) {
  auto length = static_cast<uLongf>(page.size());
  int done = ::uncompress(reinterpret_cast<Bytef*>(page.data()), &length,
                          reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  return done == Z_OK ? std::optional<size_t>(length) : std::nullopt;
}

bool inflate_page(std::span<const std::byte> packed, std::span<std::byte> page) {
  return inflate_front(packed, page) == page.size();
}

}  // namespace vmstream
