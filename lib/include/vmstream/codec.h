// SPDX-License-Identifier: MIT
// Compressed files as independent blocks, written and read on all cores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>

namespace vmstream {

/// A way to store the plain stream. The names are those of the command line.
enum class Coding { None, Gzip, Bzip2, Zstd, Xz, Lz4, Lzop };

/// What is fixed about a coding.
struct CodingTraits {
  Coding coding = Coding::None;
  std::string_view name;    ///< "none", "gzip", "bzip2", "zstd", "xz", "lz4", "lzop"
  std::string_view suffix;  ///< "", ".gz", ".bz2", ".zst", ".xz", ".lz4", ".lzo"
  int lowest_level = 0;
  int highest_level = 0;
  int default_level = 0;
  bool writable = true;  ///< false: read only, and without levels
};

/// All codings, None first: the one table that options, suffixes and help texts come from.
std::span<const CodingTraits> codings();
const CodingTraits& traits_of(Coding coding);

/// By name or by suffix; empty when there is no such coding.
std::optional<Coding> find_coding(std::string_view name);
std::optional<Coding> find_coding_by_suffix(std::string_view file_name);

/// "zlib 1.2.13", "libdeflate 1.14", …: engines that are built in, for --version.
std::vector<std::string> codec_engines();

/// How to compress.
struct EncodeOptions {
  std::optional<int> level = std::nullopt;  ///< default: the coding's own
  unsigned threads = 0;                     ///< 0: one a core. Changes speed, never the bytes
  /// Looked at within a block where that takes long; `next` has its own.
  WaitLimits limits = {};
};

/// A sink that compresses into `next` (borrowed) as independent blocks, in order. Stock tools
/// unpack the result. finish() writes what is left and finishes `next`; the sink is driven by one
/// thread and has workers of its own. Blocks are 1 MiB (bzip2: up to 900000 bytes), and
/// lend() shows the one being filled. A coding that is not writable is Errc::Unsupported.
///
/// Memory: (2 * threads + 4) * 2 MiB for blocks and their compressed forms, and for each thread the
/// state of the compressor: below 1 MiB for gzip, 8 MiB for bzip2, 1 to 20 MiB for zstd by level.
/// Coding::None hands everything on uncopied and holds nothing.
Result<std::unique_ptr<ByteSink>> make_encoder(Coding coding, ByteSink& next,
                                               EncodeOptions options = {});

/// How to decompress.
struct DecodeOptions {
  unsigned threads = 0;  ///< 0: one a core
  /// Looked at between the pieces, of which a file of a few MiB may give any number.
  WaitLimits limits = {};
};

/// A source of the plain bytes of `compressed`. Reads what the encoder writes in parallel, and the
/// files of the stock tools too: one member, several, long or short ones, of several producers in a
/// row. Every checksum is verified before the bytes it covers are handed out; in a member too large
/// to hold (more than 8 MiB, or of unknown size) before the last of its bytes are. Zero padding
/// behind the last member is accepted (and between xz streams); anything else there is an error.
/// Error::file_offset is where the member begins.
///
/// Memory for files of the encoder: (2 * threads + 3) * 2 MiB and 4 MiB of input. For other files,
/// however they were made: at most 32 MiB for each thread and 32 MiB besides; a foreign zstd frame
/// adds its window, which may be 128 MiB (more is Errc::Unsupported), an xz stream the same
/// or, with several threads, up to 48 MiB for each of them, an lzop file up to 128 MiB. The blocks
/// of `lz4 -l` have neither checksum nor end mark, those of `lzop -F` no checksum, so that damage
/// in them may pass.
Result<std::unique_ptr<ByteSource>> make_decoder(Coding coding,
                                                 std::unique_ptr<ByteSource> compressed,
                                                 DecodeOptions options = {});

/// Tells the coding of a file from its first bytes (9 suffice, but where a skippable frame of zstd
/// or lz4 stands in front: then it is zstd unless the next frame is in sight). Empty: none of ours.
std::optional<Coding> recognise_coding(std::span<const std::byte> head);

}  // namespace vmstream
