// SPDX-License-Identifier: MIT
#include "codec/blocks/piece_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <unordered_map>

namespace vmstream {
namespace {

struct DecodedPiece {
  size_t number = 0;
  Buffer plain;
};

// Decoded pieces, the one used last in front.
class PieceCache {
 public:
  explicit PieceCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Null if the piece is not there. Lives until the next make_room().
  const Buffer* find(size_t number) {
    auto found = places_.find(number);
    if (found == places_.end()) return nullptr;
    pieces_.splice(pieces_.begin(), pieces_, found->second);
    return &pieces_.front().plain;
  }

  // Makes room for a piece of this length; gives memory to decode it into.
  Buffer make_room(size_t length) {
    Buffer memory;
    while (!pieces_.empty() && bytes_ + length > most_bytes_) {
      bytes_ -= pieces_.back().plain.capacity();
      places_.erase(pieces_.back().number);
      memory = std::move(pieces_.back().plain);
      pieces_.pop_back();
    }
    memory.clear();
    return memory.capacity() == length ? std::move(memory) : Buffer(length);
  }

  const Buffer& insert(size_t number, Buffer plain) {
    bytes_ += plain.capacity();
    pieces_.push_front({number, std::move(plain)});
    places_[number] = pieces_.begin();
    return pieces_.front().plain;
  }

 private:
  const size_t most_bytes_;
  size_t bytes_ = 0;
  std::list<DecodedPiece> pieces_;
  std::unordered_map<size_t, std::list<DecodedPiece>::iterator> places_;
};

class PieceSource final : public RandomSource {
 public:
  PieceSource(std::unique_ptr<PieceDecoder> decoder, size_t cache_bytes)
      : decoder_(std::move(decoder)), cache_(cache_bytes) {}

  uint64_t length() const override { return decoder_->plain_length(); }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length() || into.size() > length() - offset) {
      return Error{Errc::Truncated, fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}",
                                                into.size(), offset, length())};
    }
    while (!into.empty()) {
      Piece piece = decoder_->find(offset);
      auto plain = get(piece);
      if (!plain) return plain.error();
      auto part = plain->subspan(static_cast<size_t>(offset - piece.plain_offset));
      part = part.first(std::min(part.size(), into.size()));
      std::ranges::copy(part, into.begin());
      into = into.subspan(part.size());
      offset += part.size();
    }
    return ok();
  }

 private:
  Result<std::span<const std::byte>> get(const Piece& piece) {
    if (const Buffer* plain = cache_.find(piece.number)) return plain->view();
    Buffer plain = cache_.make_room(piece.plain_length);
    if (auto decoded = decoder_->decode(piece, plain); !decoded) {
      Error error = decoded.error();
      error.offset = piece.plain_offset;
      return error;
    }
    return cache_.insert(piece.number, std::move(plain)).view();
  }

  std::unique_ptr<PieceDecoder> decoder_;
  PieceCache cache_;
};

}  // namespace

std::unique_ptr<RandomSource> make_piece_source(std::unique_ptr<PieceDecoder> decoder,
                                                size_t cache_bytes) {
  return std::make_unique<PieceSource>(std::move(decoder), cache_bytes);
}

}  // namespace vmstream
