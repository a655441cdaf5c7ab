// SPDX-License-Identifier: MIT
// A source that makes its bytes itself, a piece at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <vmstream/byte_source.h>

namespace vmstream {

/// Hands out what a derived class makes. One piece is held, none twice.
class PiecewiseSource : public ByteSource {
 public:
  Result<size_t> read(std::span<std::byte> into) final;
  Result<std::span<const std::byte>> next() final;

 protected:
  /// How many bytes were made before those of piece_.
  uint64_t piece_offset() const { return piece_offset_; }

  std::vector<std::byte> piece_;

 private:
  /// Appends to piece_, which is empty then; may leave it so for now.
  virtual Status make_piece() = 0;
  /// Whether there is nothing left to make.
  virtual bool all_made() const = 0;

  Status refill();

  uint64_t piece_offset_ = 0;
  size_t given_ = 0;  // of piece_
  std::optional<Error> fault_;
};

}  // namespace vmstream
