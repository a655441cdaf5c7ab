// SPDX-License-Identifier: MIT
// Whether the file may be restored, the claim of --once, and what becomes of it.
#pragma once

#include <optional>
#include <string>

#include <vmstream/file_claim.h>
#include <vmstream/random_source.h>
#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

/// The file to be restored: claimed where the options say so, and otherwise one that nobody has
/// claimed, nor can before this is destroyed. A claim whose guest cannot have run is given back by
/// the destructor.
class InputClaim {
 public:
  /// Errc::Refused for a claimed file, Errc::Usage for a claim of a disk image's snapshot: a claim
  /// renames the file. An image is not locked either, its locks are QEMU's. --resume-lazy goes on
  /// with the claim of a FILE.restoring.
  static vmstream::Result<InputClaim> take(const Options& options);

  /// Opens the file, once: where it was claimed, the very one that was.
  vmstream::Result<vmstream::OpenedInput> open(vmstream::WaitLimits limits) const;

  /// Of a disk image, the snapshot that the options name.
  const std::optional<std::string>& snapshot() const { return snapshot_; }

  /// The guest is back.
  vmstream::Status use_up();
  /// From here on the guest may run: the file does not get its name back, whatever happens.
  void keep();
  /// The restore has failed for good: says where the file is if that is not where it was.
  void leave(vmtools::Session& session, const std::string& name);
  /// Where it is after that, if not under the name that it had.
  const std::optional<std::string>& left_at() const { return left_at_; }

 private:
  InputClaim() = default;

  std::string path_;
  std::optional<std::string> snapshot_;
  std::optional<vmstream::FileClaim> claim_;
  std::optional<vmstream::FileShare> share_;  // instead of a claim
  bool kept_ = false;
  std::optional<std::string> left_at_;
};

}  // namespace vmrestore
