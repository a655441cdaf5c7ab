// SPDX-License-Identifier: MIT
// Any bytes as a damaged stream, read as far as they go. Beyond not crashing: every byte is named
// once, and the size of the pieces changes nothing of what is told.
#include <vmstream/byte_names.h>
#include <vmstream/stream_summary.h>
#include <vmstream/verification.h>

#include <string>
#include <vector>

#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

struct Told {
  ScanResult scan;
  std::vector<Problem> problems;
};

template <typename Visitor>
ScanResult scan(const fuzz::Input& input, size_t piece, Visitor& visitor) {
  fuzz::PieceSource source(input.bytes, piece);
  return scan_stream(source, visitor, {.limits = fuzz::kLimits});
}

Told verify(const fuzz::Input& input, size_t piece) {
  Verifier verifier;
  auto result = scan(input, piece, verifier);
  auto verification = verifier.finish(result);
  require(!verification.complete || result.complete());
  return {std::move(result), verification.problems.kept()};
}

void summarise(const fuzz::Input& input) {
  SummaryCollector collector;
  auto summary = collector.finish(scan(input, input.piece, collector));
  require(!summary.complete || summary.header.has_value());
}

void name_bytes(const fuzz::Input& input, size_t piece, NamingOptions options) {
  uint64_t position = 0;
  ByteNamer namer(
      [&](const NamedBytes& named) {
        require(named.offset == position);
        require(named.bytes.size() <= named.length);
        require(!named.meaning.empty());
        position += named.length;
        return ok();
      },
      options);
  require(static_cast<bool>(namer.finish(scan(input, piece, namer))));
  require(position == input.bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  if (input.bytes.empty()) return 0;
  Told whole = verify(input, input.bytes.size());
  Told pieces = verify(input, input.piece);
  require(whole.scan.complete() == pieces.scan.complete());
  require(whole.scan.gap_count == pieces.scan.gap_count);
  require(whole.scan.lost_bytes == pieces.scan.lost_bytes);
  require(whole.problems.size() == pieces.problems.size());
  for (size_t i = 0; i < whole.problems.size(); ++i) {
    require(whole.problems[i].offset == pieces.problems[i].offset);
    require(whole.problems[i].message == pieces.problems[i].message);
  }
  summarise(input);
  name_bytes(input, input.piece, {});
  name_bytes(input, input.bytes.size(), {.everything = true});
  return 0;
}
