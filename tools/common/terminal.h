// SPDX-License-Identifier: MIT
// What a tool may ask about the descriptors it was started with, and text in lines of a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vmstream/result.h>

namespace vmtools {

enum class ColorMode { Auto, Always, Never };

bool is_terminal(int fd);

/// Those above stderr that the tool was started with, if nothing has been opened since.
std::vector<int> inherited_descriptors();

/// Columns of the terminal behind `fd`; 80 where that cannot be told.
unsigned terminal_width(int fd);

/// Whether to colour what goes to `fd`. Auto: a terminal that is not dumb, and no NO_COLOR.
bool use_color(ColorMode mode, int fd);

/// Errc::Refused if `fd` is a terminal: compressed guest memory would only garble it.
vmstream::Status refuse_binary_to_terminal(int fd, bool force);

/// `text` in lines of at most `columns`, broken at spaces; a longer word has a line to itself. The
/// views point into `text`; there is at least one.
std::vector<std::string_view> wrap(std::string_view text, size_t columns);

/// What fits into `columns`, with ".." at its end where something is left out. Cut between
/// characters: what is escaped may hold UTF-8.
std::string shorten(std::string text, size_t columns);

inline constexpr size_t kTerminalColumns = 80;

}  // namespace vmtools
