// SPDX-License-Identifier: MIT
// Text in lines of a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vmtools {

/// `text` in lines of at most `columns`, broken at spaces; a longer word has a line to itself. The
/// views point into `text`; there is at least one.
std::vector<std::string_view> wrap(std::string_view text, size_t columns);

/// What fits into `columns`, with ".." at its end where something is left out. Cut between
/// characters: what is escaped may hold UTF-8.
std::string shorten(std::string text, size_t columns);

inline constexpr size_t kTerminalColumns = 80;

}  // namespace vmtools
