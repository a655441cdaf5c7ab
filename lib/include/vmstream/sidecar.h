// SPDX-License-Identifier: MIT
// An index for a file that carries none, kept beside it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/output_file.h>
#include <vmstream/random_source.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// Makes the sidecar of a file of any kind while its stream is read once:
///
///   open() -> feed all of plain() to an IndexBuilder -> finish() -> write to sidecar_path()
class SidecarMaker {
 public:
  /// Blocks that can be found without decoding are looked up here; of long gzip members resume
  /// points are noted while plain() is read, on one thread. `file` and the limits of the options
  /// say what ends the reading.
  static Result<SidecarMaker> open(std::unique_ptr<RandomSource> file, OpenOptions options = {});
  /// The same for the regular file or block device at `path`.
  static Result<SidecarMaker> open(const std::string& path, OpenOptions options = {});
  SidecarMaker(SidecarMaker&&) noexcept;
  ~SidecarMaker();

  const std::vector<Container>& containers() const;
  /// The stream from its first byte.
  ByteSource& plain();
  /// Whether the sidecar will allow reading by position. Known when plain() has been read.
  bool allows_positions() const;

  /// The bytes of the sidecar. `index` is of the stream that plain() gave, read to its end.
  Result<std::vector<std::byte>> finish(const StateIndex& index);

 private:
  struct State;
  explicit SidecarMaker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Gives the bytes of a sidecar their name, mode 0600, when they are whole and on the disk. Follows
/// no link and replaces nothing, with Overwrite::Replace nothing but an index: Errc::Refused where
/// anything else has that name.
Status publish_sidecar(const std::string& path, std::span<const std::byte> bytes,
                       Overwrite overwrite, WaitLimits limits = {});

/// Whether an index lies beside `file` that was made for other content: whoever has just given the
/// file its content can say so. It does no harm, readers know an index by FileMark.
bool has_stale_sidecar(const std::string& file);

}  // namespace vmstream
