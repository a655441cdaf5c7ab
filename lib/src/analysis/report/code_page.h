// SPDX-License-Identifier: MIT
// The characters of a PC's text screen.
#pragma once

#include <cstdint>
#include <string>

namespace vmstream {

/// The sign that code page 437 has at this place, as UTF-8: a space for 0 and 255.
std::string code_page_437(uint8_t code);

}  // namespace vmstream
