// SPDX-License-Identifier: MIT
// A decoder tells where its input is damaged. Where that is in the file on the disk depends on what
// stands around the input.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <vmstream/byte_source.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// The place in the file of an offset in a layer's bytes; empty where they are in it nowhere as
/// they are.
using PlaceInFile = std::function<std::optional<uint64_t>(uint64_t offset)>;
/// Of what is the file itself.
PlaceInFile same_place();
/// Of what has been decoded.
PlaceInFile nowhere();

/// The border between a layer and what it reads. What fails below knows its own place; what fails
/// above counts from the border, and is told where that is.
class FaultBorder {
 public:
  explicit FaultBorder(PlaceInFile place) : state_(std::make_shared<State>(std::move(place))) {}

  /// Goes under the layer: `source`, whose faults are seen.
  std::unique_ptr<ByteSource> below(std::unique_ptr<ByteSource> source) const;
  /// Goes over it: `layer`, with faults in their place.
  std::unique_ptr<ByteSource> above(std::unique_ptr<ByteSource> layer) const;
  /// A fault of the layer, likewise.
  Error placed(Error error) const;

 private:
  struct State {
    explicit State(PlaceInFile where) : place(std::move(where)) {}
    PlaceInFile place;
    bool below_has_failed = false;
  };
  class Below;
  class Above;
  std::shared_ptr<State> state_;
};

/// The same by position, for a file whose own faults have no place: `layer`, which reads it.
std::unique_ptr<RandomSource> make_placed(std::unique_ptr<RandomSource> layer, PlaceInFile place);

}  // namespace vmstream
