// SPDX-License-Identifier: MIT
// A state file whose guest can run before its memory has been read.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <vmstream/ram_image.h>
#include <vmstream/seekable_state.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// The same file once more, with a position and a cache of its own. Used by one thread at a time.
struct LazyReader {
  SeekableState state;
  RamImage image;

  RandomSource& plain() const { return *state.plain(); }
};

/// What a reader keeps of decoded blocks, at most.
struct LazyCache {
  /// For questions from all over the memory.
  static constexpr size_t kScattered = 16 * 1024 * 1024;
  /// For one who reads in the order of the file.
  static constexpr size_t kSequential = 2 * 1024 * 1024;
};

/// Told when a file carries no index that can be used, before it is read from front to end for one,
/// and after.
struct IndexingObserver {
  std::function<void(const std::string& reason)> on_begin = {};
  /// `sidecar` is empty where the index is kept in memory only.
  std::function<void(std::chrono::duration<double> taken, const std::string& sidecar)> on_end = {};
};

/// A state file that can be read by position and whose index says where each page stands. A plain
/// value; the file is opened anew by each reader.
class LazyFile {
 public:
  /// Opens the regular file or block device at `path`. A file without an index is read through; of
  /// one that only an index makes readable by position (gzip of other programs) the index stays
  /// beside it, as `sidecar`; empty: sidecar_path(path).
  ///
  /// Errc::Unsupported for files that cannot be read by position (encrypted, a container within
  /// another) and for streams that QEMU cannot take this way, Errc::Malformed or Errc::Truncated
  /// for those that are not whole as far as the index says.
  static Result<LazyFile> open(const std::string& path, const IndexingObserver& observer = {},
                               std::string sidecar = {});

  const std::vector<Container>& containers() const { return containers_; }
  /// With records and a page map.
  const StateIndex& index() const { return *index_; }

  /// Opens the file once more. The reader keeps at most `cache_bytes` of decoded blocks.
  /// Errc::Environment where the file can no longer be read as it was.
  Result<LazyReader> open_reader(size_t cache_bytes) const;

 private:
  LazyFile(std::string path, std::string sidecar, std::vector<Container> containers,
           StateIndex index);

  std::string path_;
  std::string sidecar_;
  std::vector<Container> containers_;
  std::shared_ptr<const StateIndex> index_;
};

}  // namespace vmstream
