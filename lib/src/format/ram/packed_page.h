// SPDX-License-Identifier: MIT
// What the payloads of packed pages stand for: a zlib stream (COMPRESS_PAGE), or a delta of runs of
// bytes that stay and of bytes that are new, in turn (XBZRLE).
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

/// Turns `page`, as the stream described it last, into what it is now. False, with `page` in an
/// undefined state, for a delta that no sender writes.
[[nodiscard]] bool apply_xbzrle(std::span<const std::byte> delta, std::span<std::byte> page);

}  // namespace vmstream
