// SPDX-License-Identifier: MIT
// An index for a file that carries none, kept beside it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// Makes the sidecar of a file of any kind while its stream is read once:
///
///   open() -> feed all of plain() to an IndexBuilder -> finish() -> write to sidecar_path()
class SidecarMaker {
 public:
  /// Opens a regular file or block device. Blocks that can be found without decoding are looked up
  /// here; of long gzip members resume points are noted while plain() is read, on one thread.
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

/// For whoever has just given `file` its content: removes an index that lies beside it, or beside
/// what it is a link to, and so is of what was there before. Nothing else of that name is touched.
/// Errors do not matter: readers know an index by FileMark.
void discard_sidecar(const std::string& file);

}  // namespace vmstream
