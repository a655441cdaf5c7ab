// SPDX-License-Identifier: MIT
#include <vmstream/stream_scan.h>

#include <fmt/format.h>

#include "analysis/counting_visitor.h"

namespace vmstream {
namespace {

// Counts, and makes a gap a problem that everybody hears of.
class ScanVisitor final : public analysis::CountingVisitor {
 public:
  ScanVisitor(StreamVisitor& next, StreamCounts& counts, ScanResult& result)
      : CountingVisitor(next, counts), result_(result) {}

  Status on_gap(const StreamGap& gap) override {
    if (result_.gaps.size() < ScanResult::kGapsKept) result_.gaps.push_back(gap);
    ++result_.gap_count;
    result_.lost_bytes += gap.to - gap.from;
    if (auto seen = CountingVisitor::on_gap(gap); !seen) return seen;
    return on_problem({gap.fault.offset.value_or(gap.from),
                       fmt::format("{}; {} bytes from {:#x} on are lost, reading goes on at {:#x}",
                                   gap.fault.message, gap.to - gap.from, gap.from, gap.to)});
  }

 private:
  ScanResult& result_;
};

// Feeds what comes until the end, a fault of the source, or a visitor that wants no more. After a
// malformed place the rest is only counted.
void read_all(ByteSource& source, StreamParser& parser, StreamCounts& counts,
              const ScanOptions& options, ScanResult& result) {
  for (;;) {
    auto piece = source.next();
    if (!piece) {
      if (!result.fault) result.fault = piece.error();
      return;
    }
    if (piece->empty()) return;
    result.plain_bytes += piece->size();
    if (options.digest) options.digest->update(*piece);
    if (!result.fault) {
      if (auto parsed = parser.feed(*piece); !parsed) result.fault = parsed.error();
      if (result.fault && !is_stream_fault(*result.fault)) return;
    }
    counts.stream_bytes = result.plain_bytes;
    if (options.on_progress) options.on_progress(counts);
  }
}

}  // namespace

bool is_stream_fault(const Error& error) {
  return error.code == Errc::Malformed || error.code == Errc::Truncated ||
         error.code == Errc::Unsupported;
}

ScanResult scan_stream(ByteSource& source, StreamVisitor& visitor, const ScanOptions& options) {
  StreamCounts counts;
  ScanResult result;
  ScanVisitor counting(visitor, counts, result);
  StreamParser parser(counting, options.limits, {.resume = true});
  read_all(source, parser, counts, options, result);
  // Also after a fault of the source: the parser may still hold device sections to tell of. What
  // it then says of the missing rest is a consequence, not the cause.
  auto finished = parser.finish();
  if (!finished && !result.fault) result.fault = finished.error();
  bool malformed = result.fault && result.fault->code != Errc::Truncated;
  result.parsed_bytes = malformed ? parser.confirmed_offset() : result.plain_bytes;
  result.stream_bytes = result.fault ? result.plain_bytes : parser.stream_length();
  return result;
}

namespace {

Status feed_ends(StreamParser& parser, const StreamEnds& ends) {
  if (auto fed = parser.feed(ends.head); !fed) return fed;
  if (auto skipped = parser.skip(ends.skipped_bytes()); !skipped) return skipped;
  if (auto fed = parser.feed(ends.tail); !fed) return fed;
  return parser.finish();
}

}  // namespace

ScanResult scan_ends(const StreamEnds& ends, StreamVisitor& visitor, const ParseLimits& limits) {
  StreamParser parser(visitor, limits);
  ScanResult result{.plain_bytes = ends.stream_bytes(),
                    .parsed_bytes = ends.stream_bytes(),
                    .stream_bytes = ends.stream_bytes()};
  if (auto fed = feed_ends(parser, ends); !fed) {
    result.fault = fed.error();
    result.parsed_bytes = parser.confirmed_offset();
  }
  return result;
}

}  // namespace vmstream
