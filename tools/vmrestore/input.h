// SPDX-License-Identifier: MIT
// The file that is restored: opened once, and where the options ask for it proved before its first
// byte is handed on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/lazy_restore.h>
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
  /// The stream for a restore, once.
  vmstream::Result<std::unique_ptr<vmstream::ByteSource>> open_stream();
  /// The same for a second look, within `limits`; null for what cannot be read twice, or not
  /// without a key.
  std::unique_ptr<vmstream::ByteSource> open_again(vmstream::WaitLimits limits) const;
  /// Disks that were snapshotted with the save, as the index says; none where it cannot be read.
  std::vector<vmstream::SavedDisk> recorded_disks();
  /// What the guest's domain was made of, as the index says; nothing where it does not. For after
  /// open_stream().
  vmstream::Result<std::optional<std::string>> recorded_domain();
  /// Of a disk image that holds the stream in a snapshot, what should be known of it.
  void tell_of_image(vmtools::Session& session);
  /// How much of the stream has to wait for its end.
  vmstream::HoldBack hold_back() const;
  /// The layers around the stream, once that was opened.
  const std::vector<vmstream::Container>& containers() const { return file_.containers(); }

  /// Warns of what is wrong with the layers around the stream; an error where that forbids a
  /// restore. For once the stream was opened.
  vmstream::Status check_containers(vmtools::Session& session) const;

  /// For a restore that reads all over the file, or maps it; proves it too, where that is wanted.
  vmstream::Result<vmstream::LazyFile> open_lazily(vmtools::Session& session,
                                                   vmstream::IndexingObserver observer,
                                                   bool is_mapped = false) const;

 private:
  Input(const Options& options, vmstream::StateFile file)
      : options_(options), file_(std::move(file)) {}

  bool is_wanted_proved() const;

  const Options& options_;
  vmstream::StateFile file_;
};

/// The same for the file of a lazy or mapped restore.
vmstream::Status check_containers(vmtools::Session& session, const std::string& name,
                                  const std::vector<vmstream::Container>& containers);

}  // namespace vmrestore
