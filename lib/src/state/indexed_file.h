// SPDX-License-Identifier: MIT
// The index of a file: the one that it carries, or one that is made by reading all of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <vmstream/guest_memory.h>
#include <vmstream/seekable_state.h>
#include <vmstream/sidecar.h>

namespace vmstream {

/// How an index is looked for.
struct IndexSearch {
  IndexingObserver observer = {};
  std::string sidecar = {};  ///< see SeekableOptions
  WaitLimits limits = {};
  std::string way_out = {};  ///< the hint where a file cannot be read by position
};

/// An index with records and a page map, and what readers need so that they find the stream that it
/// is of.
struct IndexedFile {
  std::vector<Container> containers;
  StateIndex index;
  /// The sidecar of a file that only an index makes readable by position, where it had to be made.
  std::shared_ptr<const std::vector<std::byte>> made = nullptr;
};

/// Whether an index has what is needed to find pages.
bool tells_pages(const StateIndex& index);

/// A stream that breaks off or is damaged gets no index: the error is the parser's.
/// Errc::Unsupported where the file's form does not allow reading by position.
Result<IndexedFile> index_file(const OpenedFile& file, const IndexSearch& search);

/// Opens a file for one reading from front to end that makes its index. Errc::Unsupported as above.
Result<SidecarMaker> open_for_index(const OpenedFile& file, DecodeOptions decode,
                                    const std::string& way_out);

/// "the file cannot be read by position: `reason`"
Error no_positions(const std::string& reason, const std::string& way_out);

}  // namespace vmstream
