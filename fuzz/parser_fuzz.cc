// SPDX-License-Identifier: MIT
// Any bytes as a stream. Beyond not crashing: the size of the pieces must not change the outcome,
// and a stream that is accepted must come out byte for byte when written again.
#include <vmstream/parser.h>

#include <algorithm>
#include <cstdlib>

#include "support/round_trip.h"

using namespace vmstream;

namespace {

constexpr ParseLimits kLimits = {.device_tail_bytes = 64 << 10,
                                 .vmdesc_bytes = 64 << 10,
                                 .package_bytes = 64 << 10,
                                 .mapped_bitmap_bytes = 64 << 10,
                                 .sections = 256,
                                 .ram_blocks = 64};

struct Outcome {
  bool complete = false;
  uint64_t confirmed = 0;
  std::vector<std::byte> written;
};

Outcome parse(std::span<const std::byte> bytes, size_t piece) {
  testing::RoundTrip copy;
  StreamParser parser(copy, kLimits);
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
  return outcome;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  size_t piece = size_t{1} + data[size - 1];
  std::span bytes(reinterpret_cast<const std::byte*>(data), size - 1);
  Outcome whole = parse(bytes, bytes.size());
  Outcome pieces = parse(bytes, piece);
  require(whole.complete == pieces.complete);
  require(whole.confirmed == pieces.confirmed);
  require(whole.confirmed <= bytes.size());
  if (whole.complete) {
    require(std::ranges::equal(whole.written, bytes));
    require(std::ranges::equal(pieces.written, bytes));
  }
  return 0;
}
