// SPDX-License-Identifier: MIT
// What a tool may ask about the descriptors it was started with.
#pragma once

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

}  // namespace vmtools
