// SPDX-License-Identifier: MIT
// Tells a file by its first bytes.
#pragma once

#include <cstddef>
#include <span>

#include <vmstream/error.h>
#include <vmstream/openpgp.h>

namespace vmstream {

/// Bytes that suffice to tell everything known.
constexpr size_t kRecogniseBytes = kOpenPgpHeadBytes;

/// Whether `head` begins a plain stream.
bool is_plain_stream(std::span<const std::byte> head);

/// The error for a `head` that begins neither a stream nor a coding of ours: names what it is where
/// that is known. `place` is empty, or "inside gzip: ".
Error explain_unrecognised(std::span<const std::byte> head, std::string_view place);

}  // namespace vmstream
