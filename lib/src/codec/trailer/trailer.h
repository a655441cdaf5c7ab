// SPDX-License-Identifier: MIT
// Writing the trailer; <vmstream/trailer.h> reads it.
//
//   gzip: [members][index in empty members][locator in an empty member]
//   zstd: [frames][index in skippable frames][locator in a skippable frame][seek table]
//
// The locator has one length in all files of a coding, and so is found from the end. Its content,
// all numbers little endian:
//
//   0   le32 version, 1
//   4   le32 bytes of the index in each wrapping, the last of which may have fewer
//   8   le64 position in the file at which the first wrapping begins
//   16  le64 length of the index, wrapping not counted
//   24  le32 CRC-32 of the seek table (zstd), 0 (gzip)
//   28  le32 CRC-32 of the file in front of this wrapping
//   32  le32 CRC-32 of these bytes from 0 to 31
#pragma once

#include <functional>
#include <optional>
#include <span>

#include <vmstream/byte_sink.h>
#include <vmstream/codec.h>
#include "codec/indexed_encoder.h"

namespace vmstream {

/// Writes what follows the blocks. `checksum` is the CRC-32 of all that was written before.
using TrailerWriter =
    std::function<Status(ByteSink& next, const BlockTable& blocks, uint32_t checksum)>;

/// Empty for codings without a trailer, and where there is no `make_index`.
TrailerWriter make_trailer_writer(Coding coding, IndexMaker make_index);

/// A locator, with its wrapping, is no longer than this.
constexpr size_t kMostLocatorBytes = 128;

/// What `unit` says of the file in front of it, its CRC-32, if it is a locator with its wrapping
/// and undamaged. Only that tells a reader who goes from block to block that none was left out,
/// repeated or put elsewhere; and that bits changed which the formats do not look at.
std::optional<uint32_t> read_file_checksum(Coding coding, std::span<const std::byte> unit);

}  // namespace vmstream
