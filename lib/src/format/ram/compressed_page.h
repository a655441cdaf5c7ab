// SPDX-License-Identifier: MIT
// The payload of a COMPRESS_PAGE record.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace vmstream {

/// Fills the front of `page` from the zlib stream `packed`, and returns how much of it. Nothing
/// where that is no such stream, or holds more than a page.
[[nodiscard]] std::optional<size_t> inflate_front(std::span<const std::byte> packed,
                                                  std::span<std::byte> page);
/// The same of a whole page. False where the stream holds less, too.
[[nodiscard]] bool inflate_page(std::span<const std::byte> packed, std::span<std::byte> page);

}  // namespace vmstream
