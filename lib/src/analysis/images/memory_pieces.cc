// SPDX-License-Identifier: MIT
#include "analysis/images/memory_pieces.h"

namespace vmstream {

Result<std::shared_ptr<PieceReader>> PieceReader::open(StateFile& file, const PhysicalMap& map) {
  auto again = file.again();
  if (!again) return again.error();
  auto reader = std::make_shared<PieceReader>(PieceReader{std::move(*again)});
  auto image = reader->file.ram();
  if (!image) return image.error();
  reader->image.emplace(std::move(*image));
  reader->memory.emplace(map, *reader->image);
  return reader;
}

Status PieceReader::read(MemoryPiece& piece) {
  piece.bytes.reserve(piece.length);
  auto room = piece.bytes.room().first(piece.length);
  auto reading = memory->read(piece.address, room);
  if (!reading) return reading.error();
  piece.bytes.extend(piece.length);
  piece.absent_pages = reading->absent_pages;
  return ok();
}

std::optional<MemoryPiece> PieceCutter::next() {
  while (stretch_ < stretches_.size() && done_ == stretches_[stretch_].length) {
    ++stretch_;
    done_ = 0;
  }
  if (stretch_ == stretches_.size()) return std::nullopt;
  const ImageStretch& stretch = stretches_[stretch_];
  uint64_t address = stretch.address + done_;
  uint64_t length = std::min(kPieceBytes - address % kPieceBytes, stretch.length - done_);
  done_ += length;
  return MemoryPiece{address, static_cast<size_t>(length)};
}

}  // namespace vmstream
