// SPDX-License-Identifier: MIT
#include "state/fault_places.h"

namespace vmstream {
namespace {

class PlacedRandom final : public RandomSource {
 public:
  PlacedRandom(std::unique_ptr<RandomSource> layer, PlaceInFile place)
      : layer_(std::move(layer)), border_(std::move(place)) {}
  uint64_t length() const override { return layer_->length(); }
  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    auto read = layer_->read_at(offset, into);
    return read ? read : border_.placed(read.error());
  }

 private:
  std::unique_ptr<RandomSource> layer_;
  FaultBorder border_;
};

}  // namespace

PlaceInFile same_place() {
  return [](uint64_t offset) { return std::optional(offset); };
}

PlaceInFile nowhere() {
  return [](uint64_t) { return std::optional<uint64_t>(); };
}

class FaultBorder::Below final : public ByteSource {
 public:
  Below(std::unique_ptr<ByteSource> source, std::shared_ptr<State> state)
      : source_(std::move(source)), state_(std::move(state)) {}
  Result<size_t> read(std::span<std::byte> into) override { return note(source_->read(into)); }
  Result<std::span<const std::byte>> next() override { return note(source_->next()); }

 private:
  template <typename T>
  Result<T> note(Result<T> result) {
    if (!result) state_->below_has_failed = true;
    return result;
  }

  std::unique_ptr<ByteSource> source_;
  std::shared_ptr<State> state_;
};

class FaultBorder::Above final : public ByteSource {
 public:
  Above(std::unique_ptr<ByteSource> layer, FaultBorder border)
      : layer_(std::move(layer)), border_(std::move(border)) {}
  Result<size_t> read(std::span<std::byte> into) override {
    auto count = layer_->read(into);
    return count ? count : border_.placed(count.error());
  }
  Result<std::span<const std::byte>> next() override {
    auto bytes = layer_->next();
    return bytes ? bytes : border_.placed(bytes.error());
  }

 private:
  std::unique_ptr<ByteSource> layer_;
  FaultBorder border_;
};

std::unique_ptr<ByteSource> FaultBorder::below(std::unique_ptr<ByteSource> source) const {
  return std::make_unique<Below>(std::move(source), state_);
}

std::unique_ptr<ByteSource> FaultBorder::above(std::unique_ptr<ByteSource> layer) const {
  return std::make_unique<Above>(std::move(layer), *this);
}

Error FaultBorder::placed(Error error) const {
  if (error.file_offset && !state_->below_has_failed) {
    error.file_offset = state_->place(*error.file_offset);
  }
  return error;
}

std::unique_ptr<RandomSource> make_placed(std::unique_ptr<RandomSource> layer, PlaceInFile place) {
  return std::make_unique<PlacedRandom>(std::move(layer), std::move(place));
}

}  // namespace vmstream
