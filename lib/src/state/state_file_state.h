// SPDX-License-Identifier: MIT
// What a StateFile knows; shared by the files that its functions are in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/state_file.h>
#include "io/piece_digests.h"
#include "state/chosen_snapshot.h"
#include "state/guest_parts.h"
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
  std::optional<GuestParts> parts = std::nullopt;  // instead of `input`
  // Of a disk image the snapshot that is read, or why none is; empty before look_inside().
  std::optional<Result<std::optional<ChosenSnapshot>>> chosen = std::nullopt;
  std::unique_ptr<SeekableState> seekable = nullptr;  // see seek()
  bool sought = false;
  std::vector<std::unique_ptr<SeekableState>> earlier = {};  // callers may still read them

  /// Finds out whether the file is a disk image, before anything of it is read. An error where
  /// there is no state in it that could be.
  Status look_inside();
  /// These layers are within the image, if there is one.
  void set_containers(std::vector<Container> within);

  /// Where the stream cannot be had, those around it that can be read.
  void note_outer_containers();

  /// The file by position, opened when it is first asked for. Null where that is not possible.
  SeekableState* seek();
  /// What has been learnt of the file is used from now on.
  void seek_anew();
  /// The same as seek() for who keeps it.
  std::unique_ptr<SeekableState> open_seekable() const;
  /// The bytes of the file, or of the state in a disk image: what is unwrapped. Once look_inside()
  /// was asked.
  std::unique_ptr<RandomSource> reader() const;
  /// The same bytes, those that were proved where they were.
  std::unique_ptr<RandomSource> proved_reader() const;

  /// Reads by an index that was made from now on; with `digests` nothing but what they are of. An
  /// error, and nothing has changed, where it must allow positions and does not.
  Result<MadeIndex> use(const MadeIndex& index, std::shared_ptr<const PieceDigests> digests,
                        bool for_positions);
  /// The stream of `parts`, the one that was proved if one was.
  Result<std::unique_ptr<ByteSource>> join_parts();
  /// Why seek() gives no stream.
  Error why_not() const;

  WaitLimits limits() const { return options.decode.limits; }
  bool is_in_image() const { return chosen && *chosen && **chosen; }
  bool may_be_sought() const { return input.file && !file_digests && !options.required_signer; }
};

/// Why a file cannot be read by position of which nothing more is known.
inline constexpr const char* kNoForm = "its form does not allow it";
/// "the file cannot be read by position: `reason`"
Error no_positions(const std::string& reason = kNoForm);

}  // namespace vmstream
