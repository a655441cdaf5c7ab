// SPDX-License-Identifier: MIT
// Errors that are the stream's own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <vmstream/result.h>

namespace vmstream {

/// Bytes that no QEMU would have written. `at` is an offset in the plain stream.
inline Error malformed(uint64_t at, std::string message) {
  return Error{Errc::Malformed, std::move(message), at};
}

/// Whether the bytes of the stream are at fault. Errors of other kinds come from its visitor.
inline bool is_of_stream(const Error& fault) {
  return fault.code == Errc::Malformed || fault.code == Errc::Truncated ||
         fault.code == Errc::Unsupported;
}

/// A fault that hurts the description alone, with a hint how to restore without it.
inline Error with_description_hint(Error fault) {
  fault.hint = "--accept-damaged-description restores the guest without the description";
  return fault;
}

}  // namespace vmstream
