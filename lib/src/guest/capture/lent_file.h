// SPDX-License-Identifier: MIT
// The output file in QEMU's hands.
#pragma once

#include <string>

#include <vmstream/output_file.h>
#include <vmstream/qmp.h>
#include "guest/monitor/qmp_command.h"

namespace vmstream {

/// A set of descriptors of the output, which QEMU opens anew by "file:/dev/fdset/N" for each of its
/// channels. The file needs no name for that.
class LentFile {
 public:
  /// Errc::Unsupported for an output that is no regular file, and with `direct_io` on a file system
  /// that has none. `qmp` must be able to pass descriptors.
  static Result<LentFile> lend(QmpClient& qmp, const OutputFile& file, bool direct_io);

  /// What `migrate` takes.
  std::string uri() const;
  /// Takes it back.
  QmpCommand way_back() const;

  /// Takes back all that was ever lent so, by a process that was killed too: QEMU would keep it for
  /// good. Errors do not matter. Not while a migration runs.
  static void take_back(QmpClient& qmp);

 private:
  explicit LentFile(uint64_t set) : set_(set) {}

  uint64_t set_;
};

}  // namespace vmstream
