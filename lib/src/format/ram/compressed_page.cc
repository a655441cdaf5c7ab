// SPDX-License-Identifier: MIT
#include "format/ram/compressed_page.h"

#include <zlib.h>

namespace vmstream {

bool inflate_page(std::span<const std::byte> packed, std::span<std::byte> page) {
  auto length = static_cast<uLongf>(page.size());
  return ::uncompress(reinterpret_cast<Bytef*>(page.data()), &length,
                      reinterpret_cast<const Bytef*>(packed.data()), packed.size()) == Z_OK &&
         length == page.size();
}

}  // namespace vmstream
