// SPDX-License-Identifier: MIT
// What an index answers without the stream being read again.
//
// An index may be of another stream, or made by nobody's friend: what it says is held against the
// stream's own framing first, at a few places, and an answer that it cannot give exactly as a scan
// would it does not give. That is enough for a file that has come to harm, not against somebody who
// could write it: these are answers to questions, which say that they come from an index. Memory,
// disks and sections are taken out of the stream itself (extract.h).
#pragma once

#include <functional>
#include <optional>

#include <vmstream/ram_usage.h>
#include <vmstream/random_source.h>
#include <vmstream/record_list.h>
#include <vmstream/state_index.h>
#include <vmstream/stream_ends.h>
#include <vmstream/stream_summary.h>

namespace vmstream {

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
