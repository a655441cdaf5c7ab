// SPDX-License-Identifier: MIT
// The delta of an XBZRLE page: runs of bytes that stay and of bytes that are new, in turn.
#pragma once

#include <cstddef>
#include <span>

namespace vmstream {

/// Turns `page`, as the stream described it last, into what it is now. False, with `page` in an
/// undefined state, for a delta that no sender writes.
[[nodiscard]] bool apply_xbzrle(std::span<const std::byte> delta, std::span<std::byte> page);

}  // namespace vmstream
