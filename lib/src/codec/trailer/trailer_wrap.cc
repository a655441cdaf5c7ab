// SPDX-License-Identifier: MIT
#include "codec/trailer/trailer_wrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "base/endian.h"

namespace vmstream {
namespace {

constexpr uint32_t kSkippableMagic = 0x184d2a56;
constexpr size_t kZstdPrefixBytes = 12;
constexpr size_t kZstdTagBytes = 4;

constexpr size_t kGzipPrefixBytes = 16;
constexpr size_t kSubfieldHeaderBytes = 4;
constexpr std::array<uint8_t, 10> kGzipSuffix{0x03, 0x00};

class UnwrappingSource final : public RandomSource {
 public:
  UnwrappingSource(TrailerWrap wrap, RandomSource& file, const WrappedStretch& stretch)
      : wrap_(wrap), file_(file), stretch_(stretch) {}

  uint64_t length() const override { return stretch_.content_length; }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length() || into.size() > length() - offset) {
      return Error{Errc::Truncated,
                   fmt::format("{} bytes wanted at {:#x} of the index, its end is at {:#x}",
                               into.size(), offset, length())};
    }
    while (!into.empty()) {
      auto done = read_in_one(offset, into);
      if (!done) return done.error();
      offset += *done;
      into = into.subspan(*done);
    }
    return ok();
  }

 private:
  // What there is of [offset, ...) within one wrapping.
  Result<size_t> read_in_one(uint64_t offset, std::span<std::byte> into) {
    uint64_t each = stretch_.content_bytes_each;
    uint64_t within = offset % each;
    uint64_t start = offset - within;
    uint64_t content = std::min(each, length() - start);
    uint64_t place = stretch_.file_offset + offset / each * (each + wrap_.overhead_bytes());
    if (auto good = check_wrapping(place, static_cast<size_t>(content)); !good) return good.error();
    auto part = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), content - within)));
    auto got = file_.read_at(place + wrap_.prefix_bytes() + within, part);
    if (!got) return got.error();
    return part.size();
  }

  // What surrounds the content at `place`.
  Status check_wrapping(uint64_t place, size_t content_bytes) {
    if (checked_ == place) return ok();
    std::array<std::byte, std::max(kGzipPrefixBytes, kZstdPrefixBytes)> room;
    auto prefix = std::span(room).first(wrap_.prefix_bytes());
    if (auto got = file_.read_at(place, prefix); !got) return got;
    bool good = std::ranges::equal(prefix, wrap_.prefix(WrapKind::Index, content_bytes));
    auto suffix = std::span(room).first(wrap_.suffix().size());
    if (!suffix.empty()) {
      auto got = file_.read_at(place + prefix.size() + content_bytes, suffix);
      if (!got) return got;
      good = good && std::ranges::equal(suffix, wrap_.suffix());
    }
    if (!good) {
      return Error{.code = Errc::Malformed,
                   .message = "the wrapping of the index is damaged",
                   .file_offset = place};
    }
    checked_ = place;
    return ok();
  }

  TrailerWrap wrap_;
  RandomSource& file_;
  WrappedStretch stretch_;
  std::optional<uint64_t> checked_;
};

}  // namespace

int count_wrong_bits(std::span<const std::byte> found, std::span<const std::byte> wanted) {
  int bits = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    bits += std::popcount(std::to_integer<uint8_t>(found[i] ^ wanted[i]));
  }
  return bits;
}

std::vector<std::byte> TrailerWrap::prefix(WrapKind kind, size_t content_bytes) const {
  std::vector<std::byte> bytes;
  if (coding_ == Coding::Zstd) {
    append_le(bytes, kSkippableMagic, 4);
    append_le(bytes, content_bytes + kZstdTagBytes, 4);
    for (char c : {'V', 'S', 'T'}) bytes.push_back(static_cast<std::byte>(c));
    bytes.push_back(static_cast<std::byte>(kind));
    return bytes;
  }
  auto front = std::as_bytes(std::span(kGzipFront));
  bytes.assign(front.begin(), front.end());
  append_le(bytes, content_bytes + kSubfieldHeaderBytes, 2);
  bytes.push_back(std::byte{'V'});
  bytes.push_back(static_cast<std::byte>(kind));
  append_le(bytes, content_bytes, 2);
  return bytes;
}

std::span<const std::byte> TrailerWrap::suffix() const {
  if (coding_ == Coding::Zstd) return {};
  return std::as_bytes(std::span(kGzipSuffix));
}

size_t TrailerWrap::prefix_bytes() const {
  return coding_ == Coding::Zstd ? kZstdPrefixBytes : kGzipPrefixBytes;
}

size_t TrailerWrap::usual_content_bytes() const {
  return coding_ == Coding::Zstd ? 1024 * 1024 : 63 * 1024;
}

size_t TrailerWrap::most_content_bytes() const {
  return coding_ == Coding::Zstd ? 1024 * 1024 * 1024 : UINT16_MAX - kSubfieldHeaderBytes;
}

uint64_t WrappedStretch::file_length(const TrailerWrap& wrap) const {
  uint64_t wrappings = (content_length + content_bytes_each - 1) / content_bytes_each;
  return content_length + wrappings * wrap.overhead_bytes();
}

std::unique_ptr<RandomSource> make_unwrapping_source(TrailerWrap wrap, RandomSource& file,
                                                     const WrappedStretch& stretch) {
  return std::make_unique<UnwrappingSource>(wrap, file, stretch);
}

}  // namespace vmstream
