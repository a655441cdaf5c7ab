// SPDX-License-Identifier: MIT
// A state file whose guest can run before its memory has been read.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <vmstream/ram_image.h>
#include <vmstream/random_source.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// The same file once more, with a position and a cache of its own. Used by one thread at a time.
struct LazyReader {
  StateFile file;
  RandomSource* stream;  ///< of the file, by position
  RamImage image;

  RandomSource& plain() const { return *stream; }
};

/// What a reader keeps of decoded blocks, at most.
struct LazyCache {
  /// For questions from all over the memory.
  static constexpr size_t kScattered = 16 * 1024 * 1024;
  /// For one who reads in the order of the file.
  static constexpr size_t kSequential = 2 * 1024 * 1024;
};

/// How a lazy file is opened.
struct LazyFileOptions {
  IndexingObserver observer = {};
  /// Reads all of the stream first, judges it and gives its index. Nothing that the file says of
  /// itself is believed then, and readers give what was judged, or an error.
  std::function<Result<StateIndex>(ByteSource& stream)> judge = {};
};

/// A state file that can be read by position and whose index says where each page stands. A plain
/// value; all readers share the descriptor of the file.
class LazyFile {
 public:
  /// A file without an index is read through, and the index is kept in memory.
  ///
  /// Errc::Unsupported for files that cannot be read by position (encrypted, a container within
  /// another) and for streams that QEMU cannot take this way, Errc::Malformed or Errc::Truncated
  /// for those that are not whole as far as the index says.
  static Result<LazyFile> open(StateFile file, const LazyFileOptions& options = {});

  const std::vector<Container>& containers() const { return file_->containers(); }
  /// With records and a page map.
  const StateIndex& index() const { return *index_; }
  /// See StateFile::new_sidecar().
  std::shared_ptr<const std::vector<std::byte>> new_sidecar() const { return file_->new_sidecar(); }

  /// One more reader of the file, which keeps at most `cache_bytes` of decoded blocks and reads
  /// within `limits`. Errc::Environment where the file can no longer be read as it was.
  Result<LazyReader> open_reader(size_t cache_bytes, WaitLimits limits = {}) const;

 private:
  LazyFile(StateFile file, std::shared_ptr<const StateIndex> index)
      : file_(std::make_shared<const StateFile>(std::move(file))), index_(std::move(index)) {}

  std::shared_ptr<const StateFile> file_;
  std::shared_ptr<const StateIndex> index_;
};

}  // namespace vmstream
