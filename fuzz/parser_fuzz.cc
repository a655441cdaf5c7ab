// SPDX-License-Identifier: MIT
// Any bytes as a stream. Beyond not crashing: the size of the pieces must not change the outcome,
// and a stream that is accepted without a problem must come out byte for byte when written again.
#include <vmstream/parser.h>

#include <algorithm>
#include <vector>

#include "fuzz_input.h"
#include "support/round_trip.h"

using namespace vmstream;
using fuzz::require;

namespace {

struct Outcome {
  bool complete = false;
  uint64_t confirmed = 0;
  std::vector<std::byte> written;
  bool may_differ = false;
};

Outcome parse(std::span<const std::byte> bytes, size_t piece) {
  testing::RoundTrip copy;
  StreamParser parser(copy, fuzz::kLimits);
  Outcome outcome;
  bool good = true;
  while (good && !bytes.empty()) {
    size_t count = std::min(piece, bytes.size());
    good = static_cast<bool>(parser.feed(bytes.first(count)));
    bytes = bytes.subspan(count);
  }
  outcome.complete = good && parser.finish();
  outcome.confirmed = parser.confirmed_offset();
  outcome.written = std::move(copy.bytes);
  outcome.may_differ = copy.may_differ;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Outcome whole = parse(input.bytes, input.bytes.size());
  Outcome pieces = parse(input.bytes, input.piece);
  require(whole.complete == pieces.complete);
  require(whole.confirmed == pieces.confirmed);
  require(whole.confirmed <= input.bytes.size());
  require(whole.may_differ == pieces.may_differ);
  if (whole.complete && !whole.may_differ) {
    require(std::ranges::equal(whole.written, input.bytes));
    require(std::ranges::equal(pieces.written, input.bytes));
  }
  return 0;
}
