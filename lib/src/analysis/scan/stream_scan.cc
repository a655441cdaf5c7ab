// SPDX-License-Identifier: MIT
#include <vmstream/stream_scan.h>

#include <algorithm>
#include <utility>

#include <vmstream/visitor.h>
#include "format/stream/stream_counter.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// Counts gaps as well, and what stands behind the stream.
class ScanCounter final : public StreamCounter {
 public:
  explicit ScanCounter(ScanResult& result) : result_(result) {}

  Status on_gap(const StreamGap& gap) override {
    if (result_.gaps.size() < ScanResult::kGapsKept) result_.gaps.push_back(gap);
    ++result_.gap_count;
    result_.lost_bytes += gap.to - gap.from;
    return ok();
  }
  Status on_trailing(uint64_t, std::span<const std::byte> bytes) override {
    trailing_bytes += bytes.size();
    return ok();
  }

  uint64_t trailing_bytes = 0;

 private:
  ScanResult& result_;
};

// One scan: a parser, and what is counted while it is fed.
class Scan {
 public:
  Scan(StreamVisitor& visitor, const ScanOptions& options, const ParseContext& context)
      : options_(options),
        visitors_{&counter_, &visitor, options.also},
        parser_(visitors_, options.limits, context) {}

  void read(ByteSource& source);
  void read(RandomSource& plain);
  ScanResult finish();

 private:
  void fail(const Error& found);
  bool take(std::span<const std::byte> piece);
  bool feed(std::span<const std::byte> piece);
  bool skip(uint64_t count);

  const ScanOptions& options_;
  ScanResult result_;
  ScanCounter counter_{result_};
  VisitorList visitors_;
  StreamParser parser_;
};

// Until the end, a fault of the source, or a visitor that wants no more. After a malformed place
// the rest is only counted.
void Scan::read(ByteSource& source) {
  for (;;) {
    auto piece = source.next();
    if (!piece && !result_.fault) result_.fault = piece.error();
    if (!piece || piece->empty() || !take(*piece)) return;
  }
}

// A piece is fed in two: up to the end of the record that the one before it broke off in, where
// the parser knows whether something can be left out; and the rest.
void Scan::read(RandomSource& plain) {
  constexpr uint64_t kPieceBytes = 256 * 1024;
  std::vector<std::byte> buffer(kPieceBytes);
  while (result_.plain_bytes < plain.length()) {
    if (counter_.trailing_bytes >= options_.trailing_bytes) {
      result_.plain_bytes = plain.length();
      return;
    }
    uint64_t left = plain.length() - result_.plain_bytes;
    if (uint64_t count = parser_.skippable(); count > 0 && count <= left) {
      if (!skip(count)) return;
      continue;
    }
    auto piece = std::span(buffer).first(
        static_cast<size_t>(std::min(left, kPieceBytes - result_.plain_bytes % kPieceBytes)));
    if (auto got = plain.read_at(result_.plain_bytes, piece); !got) {
      if (!result_.fault) result_.fault = got.error();
      return;
    }
    size_t front = std::min(piece.size(), parser_.wanted());
    if (front > 0 && !take(piece.first(front))) return;
    bool rest_is_wanted = front == 0 || parser_.skippable() == 0;
    if (rest_is_wanted && front < piece.size() && !take(piece.subspan(front))) return;
  }
}

bool Scan::take(std::span<const std::byte> piece) {
  if (options_.digest) options_.digest->update(piece);
  result_.plain_bytes += piece.size();
  bool goes_on = result_.fault || feed(piece);
  counter_.counts.stream_bytes = result_.plain_bytes;
  if (goes_on && options_.on_progress) options_.on_progress(counter_.counts);
  return goes_on;
}

bool Scan::feed(std::span<const std::byte> piece) {
  if (auto parsed = parser_.feed(piece); !parsed) fail(parsed.error());
  return !result_.fault || is_stream_fault(*result_.fault);
}

bool Scan::skip(uint64_t count) {
  if (auto skipped = parser_.skip(count); !skipped) result_.fault = skipped.error();
  result_.plain_bytes += count;
  counter_.counts.stream_bytes = result_.plain_bytes;
  if (!result_.fault && options_.on_progress) options_.on_progress(counter_.counts);
  return !result_.fault;
}

// The parser, that is.
void Scan::fail(const Error& found) {
  result_.fault = found;
  result_.fault_in_description = parser_.is_in_description() && is_stream_fault(found);
}

// Also after a fault of the source: the parser may still hold device sections to tell of. What it
// then says of the missing rest is a consequence, not the cause.
ScanResult Scan::finish() {
  auto finished = parser_.finish();
  if (!finished && !result_.fault) fail(finished.error());
  bool malformed = result_.fault && result_.fault->code != Errc::Truncated;
  result_.ended = parser_.has_ended();
  result_.parsed_bytes = malformed ? parser_.confirmed_offset() : result_.plain_bytes;
  result_.stream_bytes = result_.fault ? result_.plain_bytes : parser_.stream_length();
  return std::move(result_);
}

}  // namespace

LoadEffect effect_of_fault(const ScanResult& scan) {
  if (scan.ended) return LoadEffect::Ignored;
  bool limit = scan.fault && scan.fault->code == Errc::Unsupported;
  return limit && scan.parsed_bytes > wire::kHeaderBytes ? LoadEffect::Depends
                                                         : LoadEffect::Refused;
}

ScanResult scan_stream(ByteSource& source, StreamVisitor& visitor, const ScanOptions& options) {
  Scan scan(visitor, options, {.resume = true});
  scan.read(source);
  return scan.finish();
}

ScanResult scan_seekable(RandomSource& plain, StreamVisitor& visitor, const ScanOptions& options) {
  if (options.digest) {
    auto whole = make_stretch_source(plain, 0, plain.length());
    return scan_stream(*whole, visitor, options);
  }
  Scan scan(visitor, options, {.resume = true, .mapped_pages = options.mapped_pages});
  scan.read(plain);
  return scan.finish();
}

}  // namespace vmstream
