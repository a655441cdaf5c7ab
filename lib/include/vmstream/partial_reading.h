// SPDX-License-Identifier: MIT
// Answers without a reading of the whole stream: from its two ends, or from an index.
//
// An index may be of another stream, or made to deceive: what it says is held against the stream's
// own framing first, at a few places, and an answer that it cannot give exactly as a scan would it
// does not give. That is enough for a file that has come to harm, not against somebody who could
// write it: these are answers to questions, which say that they come from an index. Memory, disks
// and sections are taken out of the stream itself (extract.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <vmstream/ram_usage.h>
#include <vmstream/random_source.h>
#include <vmstream/record_list.h>
#include <vmstream/state_index.h>
#include <vmstream/stream_scan.h>
#include <vmstream/stream_summary.h>

namespace vmstream {

/// Bytes from the middle of a stream.
struct StreamPiece {
  uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

/// What is left of a stream when its slices of RAM are left out: still a well-formed stream. Of
/// mapped-ram, whose pages stand between the entries of the block list, what is around them.
///
/// The places of the cuts that read_stream_ends() makes have been checked against the stream's own
/// framing: the description's sizes lead from EOF backwards from one device section's head to the
/// next, and end behind a slice of an iterable section. What the pieces hold is for a parser to
/// judge, see scan_ends().
struct StreamEnds {
  /// The head (header, configuration, START sections, commands), then as the last the tail (device
  /// sections, EOF, vmdesc).
  std::vector<StreamPiece> pieces;

  uint64_t stream_bytes() const { return pieces.back().offset + pieces.back().bytes.size(); }
  uint64_t skipped_bytes() const;
};

/// Reads them, some hundred KiB as a rule and never more than about 100 MiB. Empty where the stream
/// is not as described above: damaged, padded, without a vmdesc, with page records or devices in
/// front of the first slice. Then it must be read as a whole.
std::optional<StreamEnds> read_stream_ends(RandomSource& plain);

/// Feeds only the two ends of a stream. Events between them are missing, and with them page counts,
/// most commands and the slices of iterable sections. Nothing is known of the bytes left out: only
/// a result without a fault is worth anything, and after a fault the whole stream should be
/// scanned.
ScanResult scan_ends(const StreamEnds& ends, StreamVisitor& visitor,
                     const ParseLimits& limits = {});

/// Whether the table of records covers the stream without a gap and each record (of those alike in
/// a row the first and the last) begins in `plain` as the table says; of the slices of sections
/// that go on, which may be all over a compressed file, some are tried. `plain` may be null where
/// the file cannot be read by position: then only the table itself is judged.
bool confirm_records(const StateIndex& index, RandomSource* plain);

/// Whether the first and the last page of every block, and one between, stand in `plain` where the
/// page map says; what the map leaves out is not looked for. False without a map. `plain` may be
/// null, as above.
bool confirm_pages(const StateIndex& index, RandomSource* plain);

/// Calls `receiver` as a RecordLister would. Of an index that was confirmed.
Status list_records(const StateIndex& index, const RecordLister::Receiver& receiver);

/// Tells whether the slices of an iterable section are wanted; an empty one wants none.
using SliceChoice = std::function<bool(const SectionHeader&)>;

/// The stream without those PART and END sections that are not wanted, for scan_ends(). Of an index
/// that was confirmed. Empty where more than 64 MiB would be left, and where the stream is not as
/// read_stream_ends() has it: with a package, or bytes behind its end.
std::optional<StreamEnds> read_records(const StateIndex& index, RandomSource& plain,
                                       const SliceChoice& wanted);

/// Empty where the map alone does not tell all of it: pages that were sent again, several passes,
/// postcopy, mapped-ram, problems on the way.
std::optional<RamUsage> usage_from(const StateIndex& index);

/// Adds to the summary of a stream whose ends alone were read what they do not tell: pages by kind,
/// commands, slices of iterable sections, pages that the index counts as absent. False, and nothing
/// is added, where the two contradict each other.
bool fill_in(StreamSummary& summary, const StateIndex& index);

}  // namespace vmstream
