// SPDX-License-Identifier: MIT
// The error of bytes that no QEMU would have written.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <vmstream/error.h>

namespace vmstream {

/// `at` is an offset in the plain stream.
inline Error malformed(uint64_t at, std::string message) {
  return Error{Errc::Malformed, std::move(message), at};
}

}  // namespace vmstream
