// SPDX-License-Identifier: MIT
// Tells a file by its first bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/openpgp.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// Bytes that suffice to tell everything known.
constexpr size_t kRecogniseBytes = kOpenPgpHeadBytes;

/// The first bytes of a file, as far as it has them; none where they cannot be read.
std::vector<std::byte> read_head(RandomSource& file);

/// Whether `head` begins a plain stream.
bool is_plain_stream(std::span<const std::byte> head);

/// Whether `head` begins a page channel of a multifd migration.
bool is_page_channel(std::span<const std::byte> head);

/// Whether `bytes` have more in common with the start of a stream than its magic: header, then a
/// configuration or a section with a printable name. Bytes that are missing agree.
bool looks_like_stream(std::span<const std::byte> bytes);

/// Whether `head` is that of a file of another kind, known by name.
bool is_known_foreign(std::span<const std::byte> head);

/// Whether `head` begins a state file, packed, encrypted or in a container, as far as is seen from
/// the front.
bool begins_state_file(std::span<const std::byte> head);

/// The same, or a file of another kind: no stream is to be searched behind it.
bool begins_as_something_known(std::span<const std::byte> head);

/// A stream that begins within a file.
struct StreamWithin {
  uint64_t offset = 0;
  std::vector<std::byte> front;  ///< its first bytes, already taken from the source
};

/// Searches it behind bytes that are nothing known. `head` is what was read before, from offset 0.
Result<std::optional<StreamWithin>> find_stream_within(ByteSource& source,
                                                       std::vector<std::byte> head);

/// The error for a `head` that begins neither a stream nor a coding of ours: names what it is where
/// that is known. `place` is empty, or "inside gzip: ".
Error explain_unrecognised(std::span<const std::byte> head, std::string_view place);

}  // namespace vmstream
