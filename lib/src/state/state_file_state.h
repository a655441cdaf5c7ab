// SPDX-License-Identifier: MIT
// What a StateFile knows; shared by the files that its functions are in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <vmstream/state_file.h>
#include "io/piece_digests.h"
#include "state/seekable_state.h"

namespace vmstream {

struct StateFile::State {
  OpenedInput input;
  OpenOptions options;
  std::string sidecar;  // empty: nowhere
  std::vector<Container> containers = {};
  std::optional<MadeIndex> made = std::nullopt;
  std::shared_ptr<const StateIndex> page_index = nullptr;  // once it was asked for
  std::shared_ptr<const std::vector<std::byte>> new_sidecar = nullptr;
  // Of what was proved: the file's bytes, read again from front to end, or the stream's.
  std::shared_ptr<const PieceDigests> file_digests = nullptr;
  std::shared_ptr<const PieceDigests> stream_digests = nullptr;
  std::unique_ptr<SeekableState> seekable = nullptr;  // see seek()
  bool sought = false;

  /// The file by position, opened when it is first asked for. Null where that is not possible.
  SeekableState* seek();
  /// What has been learnt of the file is used from now on.
  void seek_anew();
  /// The same for who keeps it.
  std::unique_ptr<SeekableState> take_seekable();

  WaitLimits limits() const { return options.decode.limits; }
  std::unique_ptr<RandomSource> reader() const { return input.file->reader(limits()); }
  bool may_be_sought() const { return input.file && !file_digests && !options.required_signer; }
};

/// Why a file cannot be read by position of which nothing more is known.
inline constexpr const char* kNoForm = "its form does not allow it";
/// "the file cannot be read by position: `reason`"
Error no_positions(const std::string& reason = kNoForm);

}  // namespace vmstream
