// SPDX-License-Identifier: MIT
#include "io/piece_digests.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "base/zero.h"
#include "io/piecewise_source.h"

namespace vmstream {
namespace {

constexpr size_t kPieceBytes = PieceDigests::kPieceBytes;

class NotingSource final : public ByteSource {
 public:
  NotingSource(std::unique_ptr<ByteSource> owned, ByteSource& source,
               std::shared_ptr<PieceDigests> digests)
      : owned_(std::move(owned)), source_(source), digests_(std::move(digests)) {}

  Result<size_t> read(std::span<std::byte> into) override {
    auto count = source_.read(into);
    if (!count) return count;
    if (auto noted = digests_->append(into.first(*count)); !noted) return noted.error();
    return count;
  }
  Result<std::span<const std::byte>> next() override {
    auto bytes = source_.next();
    if (!bytes) return bytes;
    if (auto noted = digests_->append(*bytes); !noted) return noted.error();
    return bytes;
  }

 private:
  std::unique_ptr<ByteSource> owned_;  // or null
  ByteSource& source_;
  std::shared_ptr<PieceDigests> digests_;
};

class ProvedSource final : public RandomSource {
 public:
  ProvedSource(std::unique_ptr<RandomSource> owned, RandomSource& source,
               std::shared_ptr<const PieceDigests> digests)
      : owned_(std::move(owned)), source_(source), digests_(std::move(digests)) {}

  uint64_t length() const override { return digests_->length(); }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length() || into.size() > length() - offset) {
      return Error{Errc::Truncated, fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}",
                                                into.size(), offset, length())};
    }
    while (!into.empty()) {
      auto count = read_in_piece(offset, into);
      if (!count) return count.error();
      into = into.subspan(*count);
      offset += *count;
    }
    return ok();
  }

 private:
  size_t length_of(uint64_t number) const {
    return static_cast<size_t>(std::min<uint64_t>(kPieceBytes, length() - number * kPieceBytes));
  }

  // Whoever wants a whole piece gets it where he wants it: what was checked is what he has.
  Result<size_t> read_in_piece(uint64_t offset, std::span<std::byte> into) {
    uint64_t number = offset / kPieceBytes;
    auto begin = static_cast<size_t>(offset % kPieceBytes);
    size_t piece_bytes = length_of(number);
    if (begin == 0 && into.size() >= piece_bytes) {
      if (auto read = read_piece(number, into.first(piece_bytes)); !read) return read.error();
      return piece_bytes;
    }
    if (kept_number_ != number) {
      kept_number_.reset();
      kept_.resize(piece_bytes);
      if (auto read = read_piece(number, kept_); !read) return read.error();
      kept_number_ = number;
    }
    size_t count = std::min(into.size(), piece_bytes - begin);
    std::ranges::copy(std::span(kept_).subspan(begin, count), into.begin());
    return count;
  }

  Status read_piece(uint64_t number, std::span<std::byte> into) {
    if (auto read = source_.read_at(number * kPieceBytes, into); !read) return read;
    return digests_->check(number, into);
  }

  std::unique_ptr<RandomSource> owned_;  // or null
  RandomSource& source_;
  std::shared_ptr<const PieceDigests> digests_;
  std::vector<std::byte> kept_;
  std::optional<uint64_t> kept_number_;
};

class ProvedStream final : public PiecewiseSource {
 public:
  ProvedStream(std::unique_ptr<ByteSource> source, std::shared_ptr<const PieceDigests> digests)
      : source_(std::move(source)), digests_(std::move(digests)) {}

 private:
  bool all_made() const override { return ended_; }

  // An end that comes too early is a piece that is too short.
  Status make_piece() override {
    piece_.resize(PieceDigests::kPieceBytes);
    auto count = read_fully(*source_, piece_);
    if (!count) return count.error();
    piece_.resize(*count);
    ended_ = piece_.empty() && piece_offset() == digests_->length();
    return ended_ ? ok() : digests_->check(piece_offset() / PieceDigests::kPieceBytes, piece_);
  }

  std::unique_ptr<ByteSource> source_;
  std::shared_ptr<const PieceDigests> digests_;
  bool ended_ = false;
};

}  // namespace

namespace {

// Of a whole piece of zeros, as holes of a sparse file give them by the thousand, there is no need
// to compute one: zeros stand for it, and nobody can make other bytes that have them for a hash.
Result<StrongHash> hash_of(std::span<const std::byte> piece) {
  bool is_empty_piece = piece.size() == kPieceBytes && is_zero(piece);
  return is_empty_piece ? Result<StrongHash>(StrongHash{}) : strong_hash(piece);
}

}  // namespace

Status PieceDigests::note(std::span<const std::byte> piece) {
  auto hash = hash_of(piece);
  if (!hash) return hash.error();
  pieces_.push_back(*hash);
  return ok();
}

Status PieceDigests::append(std::span<const std::byte> bytes) {
  length_ += bytes.size();
  while (!bytes.empty()) {
    size_t count = std::min(bytes.size(), kPieceBytes - begun_.size());
    auto front = bytes.first(count);
    bytes = bytes.subspan(count);
    if (count < kPieceBytes) {
      begun_.insert(begun_.end(), front.begin(), front.end());
      if (begun_.size() < kPieceBytes) return ok();
      front = begun_;
    }
    if (auto noted = note(front); !noted) return noted;
    begun_.clear();
  }
  return ok();
}

Status PieceDigests::append_rest(RandomSource& whole) {
  auto rest = make_stretch_source(whole, length_, whole.length() - length_);
  for (;;) {
    auto bytes = rest->next();
    if (!bytes) return bytes.error();
    if (bytes->empty()) return ok();
    if (auto noted = append(*bytes); !noted) return noted;
  }
}

Status PieceDigests::seal() {
  if (begun_.empty()) return ok();
  auto noted = note(begun_);
  begun_ = {};
  return noted;
}

Status PieceDigests::check(uint64_t number, std::span<const std::byte> bytes) const {
  auto hash = hash_of(bytes);
  if (!hash) return hash.error();
  if (number < pieces_.size() && pieces_[static_cast<size_t>(number)] == *hash) return ok();
  uint64_t begin = number * kPieceBytes;
  Error error{Errc::Malformed,
              fmt::format("the file has changed since it was checked: not the {} bytes from here "
                          "that were read then",
                          bytes.size())};
  (whole_ == Of::File ? error.file_offset : error.offset) = begin;
  error.hint = "nothing may write to a state file while it is restored";
  return error;
}

std::unique_ptr<ByteSource> make_noting_source(std::unique_ptr<ByteSource> source,
                                               std::shared_ptr<PieceDigests> digests) {
  ByteSource& borrowed = *source;
  return std::make_unique<NotingSource>(std::move(source), borrowed, std::move(digests));
}

std::unique_ptr<ByteSource> make_noting_source(ByteSource& source,
                                               std::shared_ptr<PieceDigests> digests) {
  return std::make_unique<NotingSource>(nullptr, source, std::move(digests));
}

std::unique_ptr<RandomSource> make_proved_source(std::unique_ptr<RandomSource> source,
                                                 std::shared_ptr<const PieceDigests> digests) {
  RandomSource& borrowed = *source;
  return std::make_unique<ProvedSource>(std::move(source), borrowed, std::move(digests));
}

std::unique_ptr<RandomSource> make_proved_source(RandomSource& source,
                                                 std::shared_ptr<const PieceDigests> digests) {
  return std::make_unique<ProvedSource>(nullptr, source, std::move(digests));
}

std::unique_ptr<ByteSource> make_proved_source(std::unique_ptr<ByteSource> source,
                                               std::shared_ptr<const PieceDigests> digests) {
  return std::make_unique<ProvedStream>(std::move(source), std::move(digests));
}

}  // namespace vmstream
