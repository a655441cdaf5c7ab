// SPDX-License-Identifier: MIT
// What all answers begin and end with.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <vmstream/partial_reading.h>
#include <vmstream/problems.h>
#include <vmstream/result.h>
#include <vmstream/state_file.h>
#include <vmstream/stream_scan.h>
#include "common/tool.h"
#include "vmstream-inspect/options.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

/// The file of the options, or stdin. `page_channels`: whether it may be a channel of a multifd
/// migration.
vmstream::Result<vmstream::StateFile> open_subject(vmtools::Session& session,
                                                   const InspectOptions& options,
                                                   bool page_channels = false);

/// The file's name in messages.
std::string shown_name(const InspectOptions& options);

/// Reads the whole stream, with progress of `what`: `stream`, or a file that is not packed by
/// position, and of mapped-ram no more of the pages than `pages` says.
vmstream::ScanResult scan_subject(vmtools::Session& session, const InspectOptions& options,
                                  vmstream::StateFile& file, vmstream::ByteSource& stream,
                                  vmstream::StreamVisitor& visitor, std::string_view what,
                                  vmstream::MappedPages pages, vmstream::Sha256* digest = nullptr,
                                  vmstream::StreamVisitor* also = nullptr);

/// The stream of a file by position; null where that is not possible.
vmstream::RandomSource* by_position(vmstream::StateFile& file);

/// The fault of the scan, or the first problem that is damage; nothing where all is well.
std::optional<vmstream::Error> first_damage(const vmstream::ScanResult& scan,
                                            const vmstream::ProblemLog& problems);

/// What the scan found wrong decides the status. Problems that did not end it have been printed
/// with the answer; here they get a line of their own for those who read only stderr.
vmtools::ExitStatus judge(vmtools::Session& session, const InspectOptions& options,
                          const vmstream::ScanResult& scan, const vmstream::ProblemLog& problems);

/// Which tables of an index are wanted.
enum class IndexTables { Records, Pages };

/// The file's index, or its sidecar's, unless the options want everything read. One that is there
/// but cannot be used is told of; empty then.
std::optional<vmstream::StateIndex> read_index(vmtools::Session& session,
                                               const InspectOptions& options,
                                               vmstream::StateFile& file, IndexTables tables);

/// Parts of a stream, and what said where they are.
struct StreamParts {
  vmstream::StreamEnds pieces;
  AnswerSource source = AnswerSource::Ends;
};

/// The parts of a file that hold all device sections and the `wanted` slices of others, for
/// scan_ends(): by its index, or its two ends. Empty where only a whole reading shows them, and
/// where the options want one.
std::optional<StreamParts> read_parts(vmtools::Session& session, const InspectOptions& options,
                                      vmstream::StateFile& file,
                                      const vmstream::SliceChoice& wanted);

/// A file that has been read.
struct Reading {
  vmstream::ScanResult scan;
  Subject subject;
  bool ram_read = true;
  std::optional<std::string> description = std::nullopt;  ///< the stream's, where it was kept
};

/// Reads the file for a question about devices: only its ends, where they hold the answer.
/// `start` gives a fresh visitor each time it is called; `is_sound` is asked about the last one,
/// after the ends. Fails where the stream could not be read at all.
vmstream::Result<Reading> read_subject(
    vmtools::Session& session, const InspectOptions& options,
    const std::function<vmstream::StreamVisitor&()>& start,
    const std::function<bool(const vmstream::ScanResult&)>& is_sound);

}  // namespace vminspect
