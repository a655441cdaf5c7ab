// SPDX-License-Identifier: MIT
// Compressing and decompressing on all cores, and what both need to know of a compression format.
//
// A compressed file is a row of units (gzip members, bzip2 streams, zstd frames) that can be
// decoded each by itself. We write one unit a block; other programs write whatever they like.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/codec.h>
#include "codec/trailer/trailer.h"
#include "pipeline/buffer.h"

namespace vmstream {

/// Turns blocks into units. Each worker has one of its own.
class BlockCompressor {
 public:
  virtual ~BlockCompressor() = default;
  /// Replaces what `packed` holds by one unit that unpacks to `plain`.
  virtual Status compress(std::span<const std::byte> plain, Buffer& packed) = 0;
};

/// Turns whole units back. Each worker has one of its own.
class UnitDecoder {
 public:
  virtual ~UnitDecoder() = default;
  /// Replaces what `plain` holds by the content of `packed`, verified. False: these bytes are not
  /// one whole unit of bearable size after all, so decode them as a stream.
  virtual Result<bool> decode(std::span<const std::byte> packed, Buffer& plain) = 0;
};

/// Decodes units of any length in constant memory, one after the other.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;
  /// Forgets everything: the next byte begins a unit.
  virtual Status reset() = 0;
  /// Decodes until `in` is used up, `out` is full or the unit has ended, and takes off both spans
  /// what was used. True once the unit has ended with every check passed. A decoder may leave what
  /// it can use only together with bytes that follow.
  virtual Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) = 0;
  /// Whether the unit is whole if nothing follows: for formats without an end mark.
  virtual bool may_end() const { return false; }
};

/// What stands at the front of the input.
struct FoundUnit {
  enum class Kind {
    NeedsMore,  ///< cannot be told from these bytes: get `length` of them
    Whole,      ///< `length` bytes for a UnitDecoder
    Skippable,  ///< `length` bytes that mean nothing to the plain stream
    Long,       ///< to be decoded as a stream
  };
  Kind kind = Kind::Long;
  size_t length = 0;
  size_t plain_length = 0;  ///< what a Whole unit is expected to unpack to
};

/// Units larger than this, unpacked, are decoded as streams: it bounds the memory of a worker.
constexpr size_t kMaxUnitBytes = 8 * 1024 * 1024;

/// One compression format. Without state, shared by all threads.
class BlockCodec {
 public:
  virtual ~BlockCodec() = default;

  /// What the format calls its unit, with its own name: "gzip member".
  virtual std::string_view unit_name() const = 0;
  /// Whether a unit can begin with these bytes, of which there may be too few to be sure.
  virtual bool can_begin(std::span<const std::byte> front) const = 0;
  /// Bytes that can_begin() needs in order to be sure.
  virtual size_t magic_bytes() const = 0;

  /// Units may follow a multiple of this many zeros; 0: not behind any.
  virtual size_t padding_step() const { return 0; }

  /// Plain bytes in one block.
  virtual size_t block_bytes(int level) const = 0;
  /// `limits` are looked at within a block where that takes long.
  virtual std::unique_ptr<BlockCompressor> make_compressor(int level,
                                                           const WaitLimits& limits) const = 0;

  /// Looks at `front`, which can_begin(). `at_end`: there is no more than this. An error means that
  /// the unit is damaged or cut off.
  virtual Result<FoundUnit> find_unit(std::span<const std::byte> front, bool at_end) const = 0;
  /// The checksum of its plain bytes that a Whole unit carries; 0: it carries none.
  virtual uint32_t check_of(std::span<const std::byte> /*unit*/) const { return 0; }
  /// The same kind of checksum of any plain bytes; 0: the format has none.
  virtual uint32_t checksum(std::span<const std::byte> /*plain*/) const { return 0; }
  /// Whether its files may end with a trailer of ours.
  virtual bool has_trailer() const { return false; }
  /// The CRC-32 of all the file in front of `unit`, which is Skippable, if it says so.
  virtual std::optional<uint32_t> file_checksum_of(std::span<const std::byte> /*unit*/) const {
    return std::nullopt;
  }
  virtual std::unique_ptr<UnitDecoder> make_unit_decoder() const = 0;
  /// `threads`: how many the decoder may use, where its library can.
  virtual std::unique_ptr<StreamDecoder> make_stream_decoder(unsigned threads) const = 0;

  /// The libraries at work, with their versions.
  virtual void list_engines(std::vector<std::string>& names) const = 0;
};

/// A format that is read, not written, and whose units are all decoded as streams.
class StreamOnlyCodec : public BlockCodec {
 public:
  size_t block_bytes(int) const final { return 0; }
  std::unique_ptr<BlockCompressor> make_compressor(int, const WaitLimits&) const final {
    return nullptr;
  }
  std::unique_ptr<UnitDecoder> make_unit_decoder() const final { return nullptr; }

 protected:
  /// Whether `front` begins with `magic`, as far as it goes.
  static bool agrees(std::span<const std::byte> front, std::span<const std::byte> magic) {
    size_t count = std::min(front.size(), magic.size());
    return std::ranges::equal(front.first(count), magic.first(count));
  }
};

/// A sink that compresses block by block. `write_trailer` (may be empty) is called by finish(),
/// after the last block.
Result<std::unique_ptr<ByteSink>> make_block_encoder(const BlockCodec& codec, ByteSink& next,
                                                     int level, const EncodeOptions& options,
                                                     TrailerWriter write_trailer);

/// A source that decompresses unit by unit.
Result<std::unique_ptr<ByteSource>> make_block_decoder(const BlockCodec& codec,
                                                       std::unique_ptr<ByteSource> compressed,
                                                       DecodeOptions options);

}  // namespace vmstream
