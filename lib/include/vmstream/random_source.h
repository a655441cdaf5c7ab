// SPDX-License-Identifier: MIT
// Bytes that can be read at any place: a file on the disk, or the plain stream of a compressed one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <vmstream/byte_source.h>
#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

/// Bytes of a known length, readable by position. Used by one thread at a time; what is read once
/// reads the same again.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  virtual uint64_t length() const = 0;

  /// The user who owns the file that this is; empty where it is none.
  virtual std::optional<uint32_t> owner() const { return std::nullopt; }

  /// Fills all of `into` with the bytes from `offset` on. Errc::Truncated when they reach past the
  /// end; an error leaves the content of `into` open and does not end the source's life.
  virtual Status read_at(uint64_t offset, std::span<std::byte> into) = 0;
};

class UniqueFd;

/// A regular file or block device, opened once for any number of readers. All of them read what was
/// opened, whatever becomes of its name. A plain value: copies and readers share the descriptor,
/// which is closed with the last of them.
class OpenedFile {
 public:
  /// Anything that cannot be read by position (a pipe, a FIFO, a terminal) is refused with
  /// Errc::Unsupported, unopened.
  static Result<OpenedFile> open(const std::string& path);
  /// The same for a descriptor; its position is not touched.
  static Result<OpenedFile> adopt(int owned_fd);

  /// As it was when the file was opened. Of a block device on which an OutputFile has left a file,
  /// that file's.
  uint64_t length() const { return length_; }
  /// Whether a QEMU, or a tool of its, holds the locks by which it tells others that it writes to
  /// this disk image now. Takes none itself. False too where the file system knows no locks.
  bool is_written_by_qemu() const;
  /// May be called, and the readers used, by several threads, one a reader. A read fails once
  /// `limits` forbid to go on.
  std::unique_ptr<RandomSource> reader(WaitLimits limits = {}) const;

 private:
  OpenedFile(std::shared_ptr<const UniqueFd> fd, uint64_t length, uint32_t owner)
      : fd_(std::move(fd)), length_(length), owner_(owner) {}

  std::shared_ptr<const UniqueFd> fd_;
  uint64_t length_;
  uint32_t owner_;
};

/// A reader of OpenedFile::open(path).
Result<std::unique_ptr<RandomSource>> open_random_file(const std::string& path,
                                                       WaitLimits limits = {});

/// What a name leads to, opened once.
struct OpenedInput {
  std::optional<OpenedFile> file = {};           ///< what can be read again and by position
  std::unique_ptr<ByteSource> stream = nullptr;  ///< anything else: a pipe, a FIFO, a terminal
};
/// The first read waits for the writer of a FIFO.
Result<OpenedInput> open_input(const std::string& path, WaitLimits limits = {});

/// Bytes that the caller keeps alive.
std::unique_ptr<RandomSource> make_random_memory(std::span<const std::byte> borrowed_bytes);

/// The stretch [offset, offset + length) of `whole` (borrowed) from its front to its end, for
/// readers that go straight through.
std::unique_ptr<ByteSource> make_stretch_source(RandomSource& whole, uint64_t offset,
                                                uint64_t length);

/// All of `whole`, likewise.
std::unique_ptr<ByteSource> make_whole_source(std::unique_ptr<RandomSource> whole);

}  // namespace vmstream
