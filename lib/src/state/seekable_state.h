// SPDX-License-Identifier: MIT
// The stream of a state file by position, and its index.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>
#include "codec/random_decoder.h"
#include "io/piece_digests.h"
#include "state/open_contents.h"

namespace vmstream {

/// An open state file. Used by one thread at a time.
struct SeekableState {
  std::vector<Container> containers;
  std::unique_ptr<RandomSource> file;  ///< the bytes on the disk
  std::vector<Content> contents;       ///< of containers that do not pack; the first uses `file`
  std::optional<Coding> coding;        ///< what content() is packed in: reading plain() decodes
  /// What content() holds where it is packed; uses that.
  std::unique_ptr<RandomSource> unpacked;
  /// Of containers in that, as in a packed archive; the first uses it.
  std::vector<Content> within;
  /// What is read through where the stream has been read before; uses those above.
  std::unique_ptr<RandomSource> proved;

  std::unique_ptr<RandomSource> index_bytes;
  /// The index that the file carries, or that lies beside it. It is of a stream of this length;
  /// what else it says is to be held against the stream's own framing where it is used.
  std::optional<IndexReader> index;
  /// Why the file's index, or the sidecar's, is not used.
  std::optional<Error> index_fault;

  /// The stream, packed or not, without what stands around it: places in tables count from here.
  RandomSource& content() const { return innermost(*file, contents); }
  /// The stream from its first byte, decoded and checked where it is read. Null where the file's
  /// form does not allow reading by position; there is an index then, or what is wrong with it.
  RandomSource* plain() const;
};

/// What is known of a file besides what it says itself.
struct SeekableOptions {
  RandomDecodeOptions decode = {};
  /// Where to look for the index of a file that carries none; empty: nowhere.
  std::string sidecar = {};
  unsigned nesting = 4;    ///< containers within each other, at most
  WaitLimits limits = {};  ///< of reading that; the file's are its own
  /// An index that was made of this very file. The one that the file carries
  /// and the one beside it are not looked at then.
  std::shared_ptr<const std::vector<std::byte>> index = nullptr;
  /// Of the stream, read from front to end: plain() gives nothing else, wherever a table says that
  /// its blocks lie.
  std::shared_ptr<const PieceDigests> digests = nullptr;
};

/// Opens a file for reading by position. Empty where nothing can be known of its stream without
/// reading it from front to end, for which unwrap() is there: a coding within another, a
/// foreign file whose blocks cannot be found without decoding and that has no sidecar. Reads the
/// ends of the file, or its blocks' heads, and the directory of the index.
///
/// Memory: the decoded blocks that `decode` allows to keep, 24 bytes for each block of the file,
/// resume points.
std::optional<SeekableState> open_seekable_state(std::unique_ptr<RandomSource> file,
                                                 const SeekableOptions& options = {});

}  // namespace vmstream
