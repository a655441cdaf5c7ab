// SPDX-License-Identifier: MIT
// Reading a whole stream for the sake of knowing it, damaged or not.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/digest.h>
#include <vmstream/parser.h>
#include <vmstream/random_source.h>
#include <vmstream/stream_statistics.h>

namespace vmstream {

/// How a scan ended.
struct ScanResult {
  uint64_t plain_bytes = 0;   ///< bytes that the source gave, those behind the stream included
  uint64_t parsed_bytes = 0;  ///< where the fault is, behind what could be read; all without one
  uint64_t stream_bytes = 0;  ///< length of the stream alone; what there is of it after a fault
  std::optional<Error> fault = std::nullopt;  ///< why the stream is not whole, or unreadable
  /// Damaged stretches behind which reading was taken up again: the first kGapsKept of them.
  std::vector<StreamGap> gaps = {};
  uint64_t gap_count = 0;
  uint64_t lost_bytes = 0;  ///< in all gaps
  bool ended = false;       ///< EOF was read: all that QEMU loads is there
  /// The fault is the description's: it is cut, or too large.
  bool fault_in_description = false;
  bool ends_only = false;  ///< what lies between the two ends was not read
  bool complete() const { return !fault && gap_count == 0; }

  static constexpr size_t kGapsKept = 1000;
};

struct ScanOptions {
  ParseLimits limits = {};
  /// Computed over every plain byte. Borrowed; may be null.
  Sha256* digest = nullptr;
  /// Shown every event as well, behind the visitor. Borrowed; may be null.
  StreamVisitor* also = nullptr;
  /// Told how far the scan has come, once a piece. Page bytes are exact only once a whole page has
  /// shown the page size.
  std::function<void(const StreamCounts&)> on_progress = {};
  /// What scan_seekable() reads of a mapped-ram stream's pages.
  MappedPages mapped_pages = MappedPages::Content;
  /// scan_seekable() reads this much of what stands behind the stream's end; the rest is counted.
  uint64_t trailing_bytes = UINT64_MAX;
};

/// Feeds all of `source` to a parser with `visitor`. Differs from parse_stream() in what it does
/// about faults: a source that fails leaves the parser to tell what it has, reading is taken up
/// again behind a malformed place where the framing allows (each gap is told to the visitor as a
/// problem as well), and bytes behind the last fault are read and counted, so that each byte of the
/// file is accounted for.
ScanResult scan_stream(ByteSource& source, StreamVisitor& visitor, const ScanOptions& options = {});

/// The same for a stream that can be read at any place: what ScanOptions::mapped_pages leaves out
/// of a mapped-ram stream is not read. A digest makes it read every byte.
ScanResult scan_seekable(RandomSource& plain, StreamVisitor& visitor,
                         const ScanOptions& options = {});

/// What QEMU makes of the fault that ended a scan. Behind EOF it reads nothing that matters to it,
/// and what was too large for this reader it may load.
LoadEffect effect_of_fault(const ScanResult& scan);

}  // namespace vmstream
