// SPDX-License-Identifier: MIT
// A state file on a disk, for questions that need a part of it only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/random_decoder.h>
#include <vmstream/random_source.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// An open state file. Used by one thread at a time.
struct SeekableState {
  std::vector<Container> containers;
  std::unique_ptr<RandomSource> file;  ///< the bytes on the disk
  /// What `file` holds, where that is packed or stands behind foreign bytes; uses `file`.
  std::unique_ptr<RandomSource> unpacked;
  bool is_packed = false;  ///< reading plain() decodes blocks

  std::unique_ptr<RandomSource> index_bytes;
  /// The index that the file carries, or that lies beside it. It is of a stream of this length;
  /// what else it says is to be held against the stream's own framing where it is used.
  std::optional<IndexReader> index;
  /// Why the file's index, or the sidecar's, is not used.
  std::optional<Error> index_fault;

  /// The stream from its first byte, decoded and checked where it is read. Null where the file's
  /// form does not allow reading by position; there is an index then, or what is wrong with it.
  RandomSource* plain() const;
};

/// Where the index of a file lies that has none of its own: "FILE.vmsx".
std::string sidecar_path(const std::string& file);

/// Opens the regular file or block device at `path`. Empty where nothing can be known of its stream
/// without reading it from front to end, for which open_state() is there: a pipe, a container
/// within another, a foreign file whose blocks cannot be found without decoding and that has no
/// sidecar. Reads the ends of the file, or its blocks' heads, and the directory of the index.
///
/// Memory: the decoded blocks that `decode` allows to keep, 24 bytes for each block of the file,
/// resume points.
///
/// `sidecar` is where to look for the index of a file that has none of its own; empty:
/// sidecar_path(path).
std::optional<SeekableState> open_seekable_state(const std::string& path,
                                                 RandomDecodeOptions decode = {},
                                                 const std::string& sidecar = {});

}  // namespace vmstream
