// SPDX-License-Identifier: MIT
// Errors about a qcow2 image have their place in the file.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include <vmstream/result.h>

namespace vmstream {

/// What a ByteReader over bytes of the image says.
inline Error in_image(Error error) {
  error.message = "qcow2: " + error.message;
  error.file_offset = std::exchange(error.offset, std::nullopt);
  return error;
}

template <typename... Values>
Error damage(Errc code, uint64_t file_offset, fmt::format_string<Values...> text,
             const Values&... values) {
  return in_image(Error{code, fmt::vformat(text, fmt::make_format_args(values...)), file_offset});
}

}  // namespace vmstream
