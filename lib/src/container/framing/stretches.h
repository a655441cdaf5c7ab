// SPDX-License-Identifier: MIT
// Content that lies in stretches of a container, one behind the other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/random_source.h>
#include "container/framing/forward_reader.h"

namespace vmstream {

/// Of a container, counted from its front.
struct Stretch {
  uint64_t offset = 0;
  uint64_t length = kToTheEnd;
  bool is_zeros = false;  ///< left out of the container, which has nothing at `offset`

  static constexpr uint64_t kToTheEnd = UINT64_MAX;
};

/// Where each byte of a content is in its container. Memory: 24 bytes a stretch.
class StretchMap {
 public:
  /// The next one. What follows the last one without a gap becomes part of it.
  void add(Stretch stretch);

  uint64_t length() const { return length_; }
  size_t size() const { return parts_.size(); }
  /// In the container, of an offset in the content; behind the end of that it counts on. Empty for
  /// zeros that the container leaves out.
  std::optional<uint64_t> place_of(uint64_t offset) const;
  /// How many bytes from `offset` on lie behind each other, or are left out together.
  uint64_t run_at(uint64_t offset) const;

 private:
  struct Part {
    uint64_t begin;                 // in the content
    std::optional<uint64_t> place;  // empty for zeros that are left out
  };
  const Part& part_at(uint64_t offset) const;

  std::vector<Part> parts_;
  uint64_t length_ = 0;
};

/// Gives the stretches in turn, each with `in` at its first byte unless it is left out; empty
/// behind the last.
using NextStretch = std::function<Result<std::optional<Stretch>>(ForwardReader& in)>;

/// The content by position. `container` is borrowed and holds all of `map`.
std::unique_ptr<RandomSource> make_stretched_random(RandomSource& container,
                                                    std::shared_ptr<const StretchMap> map);

/// The content from its front: `first`, at which `in` stands, then what `next` gives.
/// Errc::Truncated where a stretch has less than it says. `map` is filled on the way.
std::unique_ptr<ByteSource> make_stretched_source(std::unique_ptr<ForwardReader> in, Stretch first,
                                                  NextStretch next,
                                                  std::shared_ptr<StretchMap> map);

}  // namespace vmstream
