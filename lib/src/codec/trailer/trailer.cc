// SPDX-License-Identifier: MIT
#include "codec/trailer/trailer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/endian.h"
#include "base/hash.h"
#include "codec/trailer/block_table.h"
#include "codec/trailer/trailer_wrap.h"

namespace vmstream {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kLocatorBytes = 36;
constexpr size_t kFileChecksumAt = 28;

Error malformed(uint64_t file_offset, std::string_view what) {
  return Error{.code = Errc::Malformed,
               .message = fmt::format("trailer: {}", what),
               .file_offset = file_offset};
}

std::vector<std::byte> make_locator(const WrappedStretch& index, uint32_t seek_table_crc,
                                    uint32_t file_crc) {
  std::vector<std::byte> bytes;
  append_le(bytes, kVersion, 4);
  append_le(bytes, index.content_bytes_each, 4);
  append_le(bytes, index.file_offset, 8);
  append_le(bytes, index.content_length, 8);
  append_le(bytes, seek_table_crc, 4);
  append_le(bytes, file_crc, 4);
  append_le(bytes, crc32_of(bytes), 4);
  return bytes;
}

Status write_wrapped(ByteSink& next, TrailerWrap wrap, WrapKind kind,
                     std::span<const std::byte> content, uint32_t& file_crc) {
  auto prefix = wrap.prefix(kind, content.size());
  for (std::span<const std::byte> part :
       {std::span<const std::byte>(prefix), content, wrap.suffix()}) {
    if (part.empty()) continue;
    if (auto written = next.write(part); !written) return written;
    file_crc = crc32_of(part, file_crc);
  }
  return ok();
}

// The lengths of the index's frames and of the locator's, for the seek table.
std::vector<uint32_t> wrapped_lengths(TrailerWrap wrap, const WrappedStretch& index) {
  std::vector<uint32_t> lengths;
  for (uint64_t done = 0; done < index.content_length; done += index.content_bytes_each) {
    uint64_t content = std::min<uint64_t>(index.content_bytes_each, index.content_length - done);
    lengths.push_back(static_cast<uint32_t>(content + wrap.overhead_bytes()));
  }
  lengths.push_back(static_cast<uint32_t>(kLocatorBytes + wrap.overhead_bytes()));
  return lengths;
}

Status write_trailer(Coding coding, ByteSink& next, const BlockTable& blocks, uint32_t file_crc,
                     std::span<const std::byte> index) {
  TrailerWrap wrap(coding);
  WrappedStretch stretch{.file_offset = blocks.file_length(),
                         .content_length = index.size(),
                         .content_bytes_each = static_cast<uint32_t>(wrap.usual_content_bytes())};
  std::vector<std::byte> seek_table;
  if (coding == Coding::Zstd) seek_table = make_seek_table(blocks, wrapped_lengths(wrap, stretch));
  while (!index.empty()) {
    auto content = index.first(std::min(index.size(), wrap.usual_content_bytes()));
    index = index.subspan(content.size());
    auto written = write_wrapped(next, wrap, WrapKind::Index, content, file_crc);
    if (!written) return written;
  }
  uint32_t seek_table_crc = seek_table.empty() ? 0 : crc32_of(seek_table);
  auto locator = make_locator(stretch, seek_table_crc, file_crc);
  auto written = write_wrapped(next, wrap, WrapKind::Locator, locator, file_crc);
  if (!written || seek_table.empty()) return written;
  return next.write(seek_table);
}

using Locator = std::vector<std::byte>;

// The content of a locator whose wrapping begins with `bytes`' first. Empty: something else.
Result<std::optional<Locator>> unwrap_locator(TrailerWrap wrap, std::span<const std::byte> bytes) {
  std::optional<Locator> locator;
  auto prefix = wrap.prefix(WrapKind::Locator, kLocatorBytes);
  if (bytes.size() != kLocatorBytes + wrap.overhead_bytes()) return locator;
  int wrong_bits = count_wrong_bits(bytes, prefix);
  if (wrong_bits > kDamageBits) return locator;
  auto content = bytes.subspan(prefix.size(), kLocatorBytes);
  auto suffix = bytes.last(wrap.suffix().size());
  uint32_t crc = crc32_of(content.first(kLocatorBytes - 4));
  if (wrong_bits > 0 || !std::ranges::equal(suffix, wrap.suffix()) ||
      crc != read_le32(content, kLocatorBytes - 4)) {
    return Error{Errc::Malformed, "trailer: its locator is damaged"};
  }
  return std::optional(Locator(content.begin(), content.end()));
}

// Reads the locator that ends at `end`. Empty: something else ends there.
Result<std::optional<Locator>> read_locator(TrailerWrap wrap, RandomSource& file, uint64_t end) {
  std::vector<std::byte> bytes(kLocatorBytes + wrap.overhead_bytes());
  if (end < bytes.size()) return std::optional<Locator>();
  uint64_t start = end - bytes.size();
  if (auto got = file.read_at(start, bytes); !got) return got.error();
  auto locator = unwrap_locator(wrap, bytes);
  if (locator) return locator;
  Error error = locator.error();
  error.file_offset = start;
  return error;
}

// What the locator says, checked against the file. `start` is where the locator itself begins.
Result<WrappedStretch> parse_locator(TrailerWrap wrap, std::span<const std::byte> locator,
                                     uint64_t start) {
  uint32_t version = read_le32(locator, 0);
  if (version != kVersion) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("trailer: version found {}, want {}", version, kVersion),
                 .file_offset = start};
  }
  WrappedStretch index{.file_offset = read_le64(locator, 8),
                       .content_length = read_le64(locator, 16),
                       .content_bytes_each = read_le32(locator, 4)};
  if (index.content_bytes_each == 0 || index.content_bytes_each > wrap.most_content_bytes() ||
      index.content_length > start || index.file_offset > start) {
    return malformed(
        start, fmt::format("an index of {} bytes at {:#x} in pieces of {}", index.content_length,
                           index.file_offset, index.content_bytes_each));
  }
  uint64_t end = index.file_offset + index.file_length(wrap);
  if (end != start) {
    return malformed(start,
                     fmt::format("the index ends at {:#x} by its locator, which is at {:#x}: "
                                 "the trailer is of another file",
                                 end, start));
  }
  return index;
}

// The index whose locator ends at `end`.
Result<std::unique_ptr<RandomSource>> find_index(TrailerWrap wrap, RandomSource& file, uint64_t end,
                                                 uint32_t seek_table_crc) {
  auto locator = read_locator(wrap, file, end);
  if (!locator) return locator.error();
  if (!*locator) return std::unique_ptr<RandomSource>();
  uint64_t start = end - kLocatorBytes - wrap.overhead_bytes();
  auto stretch = parse_locator(wrap, **locator, start);
  if (!stretch) return stretch.error();
  uint32_t wanted = read_le32(**locator, 24);
  if (seek_table_crc != wanted) {
    return malformed(end, fmt::format("checksum of the seek table found {:#010x}, want {:#010x}",
                                      seek_table_crc, wanted));
  }
  return make_unwrapping_source(wrap, file, *stretch);
}

Result<std::optional<Trailer>> read_zstd_trailer(RandomSource& file) {
  auto table = read_seek_table(file);
  if (!table) return table.error();
  if (!*table) return std::optional<Trailer>();
  auto index = find_index(TrailerWrap(Coding::Zstd), file, (*table)->file_offset, (*table)->crc);
  if (!index) return index.error();
  return std::optional(Trailer{std::move(*index), std::move((*table)->blocks)});
}

Result<std::optional<Trailer>> read_gzip_trailer(RandomSource& file) {
  auto index = find_index(TrailerWrap(Coding::Gzip), file, file.length(), 0);
  if (!index) return index.error();
  if (!*index) return std::optional<Trailer>();
  return std::optional(Trailer{std::move(*index), std::nullopt});
}

}  // namespace

TrailerWriter make_trailer_writer(Coding coding, IndexMaker make_index) {
  if (!make_index || (coding != Coding::Gzip && coding != Coding::Zstd)) return {};
  return [coding, make_index = std::move(make_index)](ByteSink& next, const BlockTable& blocks,
                                                      uint32_t checksum) -> Status {
    auto index = make_index(blocks);
    if (!index) return index.error();
    return write_trailer(coding, next, blocks, checksum, *index);
  };
}

std::optional<uint32_t> read_file_checksum(Coding coding, std::span<const std::byte> unit) {
  auto locator = unwrap_locator(TrailerWrap(coding), unit);
  if (!locator || !*locator || read_le32(**locator, 0) != kVersion) return std::nullopt;
  return read_le32(**locator, kFileChecksumAt);
}

Result<std::optional<Trailer>> read_trailer(Coding coding, RandomSource& file) {
  if (coding == Coding::Zstd) return read_zstd_trailer(file);
  if (coding == Coding::Gzip) return read_gzip_trailer(file);
  return std::optional<Trailer>();
}

}  // namespace vmstream
