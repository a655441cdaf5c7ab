// SPDX-License-Identifier: MIT
// The file of --working-set: read before the restore, written behind it.
#pragma once

#include <optional>

#include <vmstream/lazy_restore.h>
#include "vmrestore/options.h"

namespace vmrestore {

/// The pages that earlier restores asked for first.
class WorkingSetFile {
 public:
  /// Reads the file if the options name one that is there. One that must be there and is not, and
  /// one that is no working set, is an error.
  static vmstream::Result<WorkingSetFile> open(const Options& options, vmstream::WaitLimits limits);

  /// What is to be sent first; null for nothing.
  const vmstream::WorkingSet* early() const { return use_ && known_ ? &*known_ : nullptr; }

  /// Writes what is known and, behind it, what was asked for all the same. Does nothing where the
  /// options name no file.
  vmstream::Status keep(const vmstream::WorkingSet& asked) const;

 private:
  WorkingSetFile() = default;

  std::optional<std::string> path_;
  std::optional<vmstream::WorkingSet> known_;
  bool use_ = false;
};

}  // namespace vmrestore
