// SPDX-License-Identifier: MIT
// The memory of a saved guest, straight from its file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/ram_image.h>
#include <vmstream/result.h>
#include <vmstream/state_file.h>

namespace vmstream {

/// How the memory of a file is opened.
struct GuestMemoryOptions {
  IndexingObserver observer = {};
  /// Decoded blocks that are kept for the next read, at most.
  size_t cache_bytes = 16 * 1024 * 1024;
  WaitLimits limits = {};  ///< of the opening, and of each reading
};

/// The RAM blocks of a state file, readable at any address. Used by one thread at a time.
///
/// Takes plain and mapped-ram files, gzip of any program, and zstd in frames of at most 8 MiB,
/// as vmdump writes it. By its index, or the sidecar beside it, a file is open at once; one without
/// is read once from front to end. An index is believed only where the stream's own framing
/// agrees, see RamImage; that a page is not in the stream is the index's word.
/// Memory: 1 MiB, the page map and the cache.
class GuestMemory {
 public:
  /// Errc::Unsupported, with what to do, for files that cannot be read by position: bzip2, xz, lz4,
  /// lzop, encrypted ones, containers within others, pipes. Errc::Malformed or Errc::Truncated for
  /// streams that are not whole; Errc::Usage for a stream without guest memory.
  static Result<GuestMemory> open(const std::string& path, const GuestMemoryOptions& options = {});
  GuestMemory(GuestMemory&&) noexcept;
  ~GuestMemory();

  const std::vector<IndexedBlock>& blocks() const;
  uint32_t page_size() const;

  /// Fills `into` with the bytes of a block, by its name, from `offset` in it on. Returns how many
  /// of the pages touched were never sent: those are zero. Errc::Usage for a block that there is
  /// not, and for bytes past its end; Errc::Malformed where the file is damaged there.
  Result<uint64_t> read(std::string_view block, uint64_t offset, std::span<std::byte> into);

  /// Pages, their kinds, and reading in whole pages.
  RamImage& image();

 private:
  struct State;
  explicit GuestMemory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
