// SPDX-License-Identifier: MIT
// A file that appears under its name only when it is whole and on the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>

namespace vmstream {

/// What to do when the final name exists already.
enum class Overwrite { Refuse, Replace };

/// A new file of mode 0600 in the target's folder: without a name until it is whole, or under a
/// temporary one where the file system has no unnamed files.
///
/// write() appends. commit_file() syncs the data, gives the file its final name and syncs the
/// folder; without it the destructor removes the temporary, and so does discard(). With
/// Overwrite::Refuse a file that turned up under the final name meanwhile is left alone and commit
/// fails with Errc::Refused; should the folder not sync, the name is taken back. What a writer that
/// was killed has left of the same target is removed by create(). Targets that are no regular files
/// (a device, a FIFO) are written in place: a block device only while nobody else uses it, and with
/// Overwrite::Refuse only if its first and last MiB are zero. It can be read from once it is
/// committed, up to the file's end, whatever it held before.
class OutputFile final : public ByteSink {
 public:
  /// Fails before anything is written if the target exists (Refuse) or its folder is not writable.
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path, Overwrite overwrite,
                                                    WaitLimits limits = {});
  ~OutputFile() override;

  Status write(std::span<const std::byte> bytes) override;

  /// Writing by position, for files with holes; not mixed with write(). What was never written
  /// reads as zero. Errc::Usage for targets that are no regular files.
  Status write_at(uint64_t offset, std::span<const std::byte> bytes);
  /// Gives the range back to the file system: it reads as zero and takes no room.
  Status clear_at(uint64_t offset, uint64_t length);
  /// Fills `into` with what was written there before.
  Status read_at(uint64_t offset, std::span<std::byte> into) const;
  /// The file's length, whatever was written.
  Status resize(uint64_t length);

  /// The first bytes of the file, which have been written as something else, become these once all
  /// of it is on the disk: commit_file() writes them, and syncs again, before it gives the name. A
  /// reader that takes the others for unfinished so never meets a part. Errc::Usage for targets
  /// that are no regular files.
  Status replace_front(std::vector<std::byte> bytes);

  /// Nothing to do: an output file becomes whole by commit_file().
  Status finish() override;

  /// Syncs what was written and gives it back from the disk: the kernel is told to let go of its
  /// cached copy. Errc::Unsupported for targets that are no regular files.
  Result<std::unique_ptr<ByteSource>> read_back();

  /// Sync, rename, sync the folder. After success the destructor leaves the file alone.
  Status commit_file();
  /// Removes the temporary at once.
  void discard();

  const std::string& path() const;
  uint64_t bytes_written() const;
  /// Whether the target is no regular file, so that its reader sees the bytes as they come.
  bool is_in_place() const;

  /// Borrowed, for another program that is to write the file; what it writes is not among
  /// bytes_written().
  int descriptor() const;
  /// What the file takes of the disk, committed or not: less than its length where it has holes.
  uint64_t disk_bytes() const;

 private:
  struct State;
  explicit OutputFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Errc::Refused where `output` is the file or device that is read as `input`, by whatever names;
/// "-" is stdin.
Status require_other_file(const std::string& output, const std::string& input);

}  // namespace vmstream
