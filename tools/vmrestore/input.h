// SPDX-License-Identifier: MIT
// The file that is restored: opened once, and where the options ask for it proved before its first
// byte is handed on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/lazy_file.h>
#include <vmstream/piece_digests.h>
#include <vmstream/random_source.h>
#include <vmstream/restore.h>
#include <vmstream/saved_disk.h>
#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmrestore/claim.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// Keys and passphrases, and what else opening needs. Comes first: without them there is no use in
/// touching the file.
vmstream::Result<vmstream::OpenOptions> open_options(const Options& options,
                                                     vmstream::WaitLimits limits);

/// The file of the options, stdin or the command.
class Input {
 public:
  static vmstream::Result<Input> open(const Options& options, const InputClaim& claim,
                                      vmstream::OpenOptions how, vmstream::WaitLimits limits);

  /// Reads and checks all of it where the options ask for that. What is given afterwards is what
  /// was checked, or an error.
  vmstream::Status prove_if_wanted(vmtools::Session& session);
  /// The stream for a restore, once. A mapped-ram file, which QEMU takes from a file only and of
  /// 9.0 at least, gives it as a connection carries it.
  vmstream::Result<vmstream::StateFile> open_stream();
  /// The same for a second look, within `limits`; null for what cannot be read twice, or not
  /// without a key.
  std::unique_ptr<vmstream::ByteSource> open_again(vmstream::WaitLimits limits) const;
  /// Disks that were snapshotted with the save, as the index says; none where it cannot be read.
  std::vector<vmstream::SavedDisk> recorded_disks() const;
  /// How much of the stream has to wait for its end.
  vmstream::HoldBack hold_back() const;

  /// The same two steps in one, for a restore that reads all over the file.
  vmstream::Result<vmstream::LazyFile> open_lazily(vmtools::Session& session,
                                                   vmstream::IndexingObserver observer);

 private:
  Input(const Options& options, vmstream::OpenOptions how, vmstream::WaitLimits limits,
        vmstream::OpenedInput input)
      : options_(options), how_(std::move(how)), limits_(limits), input_(std::move(input)) {}

  bool is_wanted_proved() const;
  std::string sidecar() const;
  std::unique_ptr<vmstream::RandomSource> reader() const { return input_.file->reader(limits_); }
  std::optional<vmstream::SeekableState> open_mapped() const;
  vmstream::Status prove_file(vmtools::Session& session);
  vmstream::Status prove_stream(vmtools::Session& session);
  vmstream::Result<vmstream::LazyProof> prove_lazily(vmtools::Session& session);

  const Options& options_;
  vmstream::OpenOptions how_;
  vmstream::WaitLimits limits_;
  vmstream::OpenedInput input_;
  // Of what the first reading has read: the file, or the stream where the second is by position.
  std::shared_ptr<vmstream::PieceDigests> file_digests_;
  std::shared_ptr<vmstream::PieceDigests> stream_digests_;
};

}  // namespace vmrestore
