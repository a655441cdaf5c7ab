// SPDX-License-Identifier: MIT
// A state file whose guest can run before its memory has been read.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/guest_memory.h>
#include <vmstream/piece_digests.h>
#include <vmstream/ram_image.h>
#include <vmstream/random_source.h>
#include <vmstream/seekable_state.h>
#include <vmstream/sidecar.h>
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

/// What a reading of the whole file has shown: nothing that the file says of itself is believed
/// then.
struct LazyProof {
  std::vector<Container> containers;
  StateIndex index;                                           ///< of the stream that was read
  std::shared_ptr<const std::vector<std::byte>> index_bytes;  ///< SidecarMaker::finish of it
  std::shared_ptr<const PieceDigests> digests;                ///< of the stream, sealed
};

/// How a lazy file is opened.
struct LazyFileOptions {
  IndexingObserver observer = {};
  std::string sidecar = {};  ///< see SeekableOptions
  WaitLimits limits = {};    ///< of the opening alone
  std::optional<LazyProof> proof = std::nullopt;
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
  static Result<LazyFile> open(const OpenedFile& file, LazyFileOptions options = {});
  /// For a LazyProof: the stream from front to end, and what its index is made with. Refuses early
  /// what open() would refuse for its form.
  static Result<SidecarMaker> open_whole(const OpenedFile& file, DecodeOptions decode = {});

  const std::vector<Container>& containers() const { return containers_; }
  /// With records and a page map.
  const StateIndex& index() const { return *index_; }
  /// The sidecar of a file that only an index makes readable by position (gzip of other programs),
  /// where open() had to make it; else null.
  const std::shared_ptr<const std::vector<std::byte>>& new_sidecar() const { return new_sidecar_; }

  /// One more reader of the file, which keeps at most `cache_bytes` of decoded blocks and reads
  /// within `limits`. Errc::Environment where the file can no longer be read as it was.
  Result<LazyReader> open_reader(size_t cache_bytes, WaitLimits limits = {}) const;

 private:
  LazyFile(const OpenedFile& file, SeekableOptions how, std::vector<Container> containers,
           StateIndex index);
  static Result<LazyFile> open_proved(const OpenedFile& file, LazyProof proof, WaitLimits limits);
  Result<LazyFile> checked(WaitLimits limits);

  OpenedFile file_;
  SeekableOptions how_;
  std::vector<Container> containers_;
  std::shared_ptr<const StateIndex> index_;
  std::shared_ptr<const std::vector<std::byte>> new_sidecar_;
};

}  // namespace vmstream
