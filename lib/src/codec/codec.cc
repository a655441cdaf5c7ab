// SPDX-License-Identifier: MIT
// The table of codings, and the way from a coding to its encoder and decoder.
#include <vmstream/codec.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/endian.h"
#include "codec/bzip2_split.h"
#include "codec/codecs.h"
#include "codec/indexed_encoder.h"
#include "codec/trailer/trailer.h"

namespace vmstream {
namespace {

constexpr std::array<CodingTraits, 7> kCodings{{
    {Coding::None, "none", "", 0, 0, 0},
    {Coding::Gzip, "gzip", ".gz", 1, 9, 6},
    {Coding::Bzip2, "bzip2", ".bz2", 1, 9, 9},
    {Coding::Zstd, "zstd", ".zst", -5, 19, 3},
    {Coding::Xz, "xz", ".xz", 0, 0, 0, false},
    {Coding::Lz4, "lz4", ".lz4", 0, 0, 0, false},
    {Coding::Lzop, "lzop", ".lzo", 0, 0, 0, false},
}};

// Hands everything on, memory included: no copy is made for Coding::None.
class PassThroughSink final : public ByteSink {
 public:
  explicit PassThroughSink(ByteSink& next) : next_(next) {}
  Status write(std::span<const std::byte> bytes) override { return next_.write(bytes); }
  Status finish() override { return next_.finish(); }
  std::span<std::byte> lend() override { return next_.lend(); }
  Status commit(size_t count) override { return next_.commit(count); }

 private:
  ByteSink& next_;
};

// zstd and lz4 share the frames that are to be skipped: what stands behind them tells which it is.
// Where that is out of sight the front is left as it is, which zstd claims.
std::span<const std::byte> behind_skippable_frames(std::span<const std::byte> head) {
  constexpr uint32_t kMagic = 0x184d2a50;  // and the fifteen behind it
  constexpr size_t kHeaderBytes = 8;
  auto rest = head;
  while (rest.size() >= kHeaderBytes && (read_le32(rest, 0) & 0xfffffff0) == kMagic) {
    uint64_t length = kHeaderBytes + uint64_t{read_le32(rest, 4)};
    if (length + kHeaderBytes > rest.size()) return head;
    rest = rest.subspan(static_cast<size_t>(length));
  }
  return rest;
}

}  // namespace

const BlockCodec* find_codec(Coding coding) {
  switch (coding) {
    case Coding::None:
      return nullptr;
    case Coding::Gzip:
      return &gzip_codec();
    case Coding::Bzip2:
      return &bzip2_codec();
    case Coding::Zstd:
      return &zstd_codec();
    case Coding::Xz:
      return &xz_codec();
    case Coding::Lz4:
      return &lz4_codec();
    case Coding::Lzop:
      return &lzop_codec();
  }
  return nullptr;
}

std::span<const CodingTraits> codings() {
  return kCodings;
}

const CodingTraits& traits_of(Coding coding) {
  return *std::ranges::find(kCodings, coding, &CodingTraits::coding);
}

std::optional<Coding> find_coding(std::string_view name) {
  auto found = std::ranges::find(kCodings, name, &CodingTraits::name);
  if (found == kCodings.end()) return std::nullopt;
  return found->coding;
}

std::optional<Coding> find_coding_by_suffix(std::string_view file_name) {
  for (const CodingTraits& traits : kCodings) {
    if (!traits.suffix.empty() && file_name.ends_with(traits.suffix)) return traits.coding;
  }
  return std::nullopt;
}

std::vector<std::string> codec_engines() {
  std::vector<std::string> names;
  for (const CodingTraits& traits : kCodings) {
    if (const BlockCodec* codec = find_codec(traits.coding)) codec->list_engines(names);
  }
  return names;
}

Result<std::unique_ptr<ByteSink>> make_encoder(Coding coding, ByteSink& next,
                                               EncodeOptions options) {
  return make_indexed_encoder(coding, next, options, {});
}

Result<std::unique_ptr<ByteSink>> make_indexed_encoder(Coding coding, ByteSink& next,
                                                       EncodeOptions options,
                                                       IndexMaker make_index) {
  const CodingTraits& traits = traits_of(coding);
  if (!traits.writable) {
    return Error{Errc::Unsupported, fmt::format("{} files are read, not written", traits.name)};
  }
  int level = options.level.value_or(traits.default_level);
  if (level < traits.lowest_level || level > traits.highest_level) {
    return Error{Errc::Usage, fmt::format("{} level {} is not within {} to {}", traits.name, level,
                                          traits.lowest_level, traits.highest_level)};
  }
  const BlockCodec* codec = find_codec(coding);
  if (!codec) return std::unique_ptr<ByteSink>(std::make_unique<PassThroughSink>(next));
  auto write_trailer = make_trailer_writer(coding, std::move(make_index));
  return make_block_encoder(*codec, next, level, options, std::move(write_trailer));
}

Result<std::unique_ptr<ByteSource>> make_decoder(Coding coding,
                                                 std::unique_ptr<ByteSource> compressed,
                                                 DecodeOptions options) {
  const BlockCodec* codec = find_codec(coding);
  if (!codec) return compressed;
  if (coding != Coding::Bzip2) {
    return make_block_decoder(*codec, std::move(compressed), options);
  }
  auto splitter = std::make_unique<Bzip2Splitter>(std::move(compressed));
  const Bzip2Splitter& places = *splitter;
  auto decoder = make_block_decoder(*codec, std::move(splitter), options);
  if (!decoder) return decoder;
  return make_placing_source(std::move(*decoder), places);
}

std::optional<Coding> recognise_coding(std::span<const std::byte> head) {
  head = behind_skippable_frames(head);
  for (const CodingTraits& traits : kCodings) {
    const BlockCodec* codec = find_codec(traits.coding);
    if (codec && head.size() >= codec->magic_bytes() && codec->can_begin(head)) {
      return traits.coding;
    }
  }
  return std::nullopt;
}

}  // namespace vmstream
