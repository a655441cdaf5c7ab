// SPDX-License-Identifier: MIT
#include "container/framing/stretches.h"

#include <fmt/format.h>

#include <algorithm>

namespace vmstream {
namespace {

class StretchedRandom final : public RandomSource {
 public:
  StretchedRandom(RandomSource& container, std::shared_ptr<const StretchMap> map)
      : container_(container), map_(std::move(map)) {}

  uint64_t length() const override { return map_->length(); }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length() || into.size() > length() - offset) {
      return Error{Errc::Truncated, fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}",
                                                into.size(), offset, length())};
    }
    while (!into.empty()) {
      auto count = static_cast<size_t>(std::min<uint64_t>(into.size(), map_->run_at(offset)));
      if (auto place = map_->place_of(offset)) {
        if (auto read = container_.read_at(*place, into.first(count)); !read) return read;
      } else {
        std::ranges::fill(into.first(count), std::byte{0});
      }
      into = into.subspan(count);
      offset += count;
    }
    return ok();
  }

 private:
  RandomSource& container_;
  std::shared_ptr<const StretchMap> map_;
};

class StretchedSource final : public ByteSource {
 public:
  StretchedSource(std::unique_ptr<ForwardReader> in, Stretch first, NextStretch next,
                  std::shared_ptr<StretchMap> map)
      : in_(std::move(in)), next_(std::move(next)), map_(std::move(map)) {
    begin(first);
  }

  Result<size_t> read(std::span<std::byte> into) override {
    if (fault_) return *fault_;
    auto count = into.empty() ? Result<size_t>(size_t{0}) : read_some(into);
    if (!count) fault_ = count.error();
    return count;
  }

 private:
  Result<size_t> read_some(std::span<std::byte> into) {
    while (stretch_ && left_ == 0) {
      auto next = next_(*in_);
      if (!next) return next.error();
      stretch_ = next->has_value();
      if (stretch_) begin(**next);
    }
    if (!stretch_) return size_t{0};
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left_)));
    if (is_zeros_) {
      std::ranges::fill(into, std::byte{0});
      left_ -= into.size();
      return into.size();
    }
    auto count = in_->read(into);
    if (!count) return count;
    if (is_open_) {
      stretch_ = *count == into.size();
    } else if (*count < into.size()) {
      return Error{.code = Errc::Truncated,
                   .message = fmt::format("the container ends {} bytes before its content does",
                                          left_ - *count),
                   .file_offset = in_->position()};
    }
    if (!is_open_) left_ -= *count;
    return count;
  }

  void begin(Stretch stretch) {
    map_->add(stretch);
    left_ = stretch.length;
    is_zeros_ = stretch.is_zeros;
    is_open_ = stretch.length == Stretch::kToTheEnd;
  }

  std::unique_ptr<ForwardReader> in_;
  NextStretch next_;
  std::shared_ptr<StretchMap> map_;
  uint64_t left_ = 0;
  bool stretch_ = true;   // one is being read
  bool is_open_ = false;  // it reaches to the end
  bool is_zeros_ = false;
  std::optional<Error> fault_;
};

}  // namespace

void StretchMap::add(Stretch stretch) {
  std::optional<uint64_t> place;
  if (!stretch.is_zeros) place = stretch.offset;
  bool goes_on = !parts_.empty() && place == place_of(length_);
  if (!goes_on) parts_.push_back({length_, place});
  length_ += std::min(stretch.length, UINT64_MAX - length_);
}

const StretchMap::Part& StretchMap::part_at(uint64_t offset) const {
  return *std::prev(std::ranges::upper_bound(parts_, offset, {}, &Part::begin));
}

std::optional<uint64_t> StretchMap::place_of(uint64_t offset) const {
  if (parts_.empty()) return offset;
  const Part& part = part_at(offset);
  if (!part.place) return std::nullopt;
  return *part.place + (offset - part.begin);
}

uint64_t StretchMap::run_at(uint64_t offset) const {
  const Part* part = &part_at(offset);
  bool is_last = part == &parts_.back();
  return (is_last ? length_ : part[1].begin) - offset;
}

std::unique_ptr<RandomSource> make_stretched_random(RandomSource& container,
                                                    std::shared_ptr<const StretchMap> map) {
  return std::make_unique<StretchedRandom>(container, std::move(map));
}

std::unique_ptr<ByteSource> make_stretched_source(std::unique_ptr<ForwardReader> in, Stretch first,
                                                  NextStretch next,
                                                  std::shared_ptr<StretchMap> map) {
  return std::make_unique<StretchedSource>(std::move(in), first, std::move(next), std::move(map));
}

}  // namespace vmstream
