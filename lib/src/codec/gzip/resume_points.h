// SPDX-License-Identifier: MIT
// Random access to gzip files whose members are too long to be decoded whole, as `gzip` and `pigz`
// write them: places at which decoding can begin, found while the file is read once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/codec.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include "codec/blocks/piece_cache.h"

namespace vmstream {

inline constexpr size_t kMostResumePoints = 2048;
inline constexpr size_t kMostResumePieceBytes = 64 * 1024 * 1024;
inline constexpr size_t kWindowBytes = 32 * 1024;
inline constexpr size_t kMostPackedWindowBytes = kWindowBytes + 1024;

/// A place at which decoding can begin: a member's first byte, or a bit within its data.
struct ResumePoint {
  uint64_t plain_offset = 0;
  uint64_t file_bit = 0;       ///< position in the file, in bits
  uint32_t crc = 0;            ///< CRC-32 of the plain bytes from here to the next point
  uint32_t window_length = 0;  ///< plain bytes before it that the data refer to, up to 32 KiB;
                               ///< 0: a member begins here
  std::vector<std::byte> window = {};  ///< those bytes, deflated
};

/// Points of a whole file, in order, the first at its front. None where the file is too long for
/// the points allowed: more than 64 GiB, plain.
struct ResumePoints {
  uint64_t plain_length = 0;
  uint64_t file_length = 0;
  std::vector<ResumePoint> points;
};

/// Whether the points are in order, within the lengths of their file, and no more and no further
/// apart than they may be. A file too long to have points fails this too.
Status check_points(const ResumePoints& all);

/// How densely to note points.
struct NotingOptions {
  uint64_t spacing_bytes = 4 * 1024 * 1024;  ///< plain bytes between two points, at least
  size_t most_points = 2048;                 ///< the spacing doubles where more would be needed
  WaitLimits limits = {};                    ///< looked at between the pieces
};

/// The plain bytes of a gzip file of any program, from front to end, that notes resume points in
/// `noted` (borrowed) on the way. They are whole when the source has ended without an error. Bytes
/// are handed out before the checksum at the end of their member has been seen. Works on the
/// caller's thread.
///
/// Memory: up to 32 KiB for each point, usually half of that, and 5 MiB.
std::unique_ptr<ByteSource> make_noting_decoder(std::unique_ptr<ByteSource> compressed,
                                                ResumePoints& noted, NotingOptions options = {});

/// The plain bytes of the gzip `file` (borrowed) by position. The points need not be trusted: what
/// is decoded is compared with its checksum before a byte of it is handed out. Errors and memory
/// are those of make_random_decoder(), pieces being the stretches between two points, which may be
/// up to 64 MiB long.
Result<std::unique_ptr<RandomSource>> make_resuming_decoder(RandomSource& file, ResumePoints points,
                                                            RandomDecodeOptions options = {});

/// Points as bytes to be kept, and back. What comes back is in order and within its lengths.
std::vector<std::byte> serialise(const ResumePoints& points);
Result<ResumePoints> parse_resume_points(std::span<const std::byte> bytes);

}  // namespace vmstream
