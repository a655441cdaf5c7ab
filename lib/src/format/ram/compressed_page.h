// SPDX-License-Identifier: MIT
// The payload of a COMPRESS_PAGE record.
#pragma once

#include <cstddef>
#include <span>

namespace vmstream {

/// Fills `page` from the zlib stream `packed`. False where that is none, or holds more or less.
[[nodiscard]] bool inflate_page(std::span<const std::byte> packed, std::span<std::byte> page);

}  // namespace vmstream
