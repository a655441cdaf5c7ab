// SPDX-License-Identifier: MIT
// A QEMU's command line without any effect on the host.
#pragma once

#include <string>
#include <vector>

#include "guest/mapped/qemu_options.h"

namespace vmstream {

struct HarmlessCommand {
  std::vector<QemuOption> options;
  /// What was replaced and could matter to a load, in words.
  std::vector<std::string> not_checked = {};
};

/// The same guest with backends that do nothing: disks without content, of the same size; networks
/// and character devices that lead nowhere; no monitor, display, log, or file that is written. The
/// paused state is added (-S). What is not known to be harmless is not passed on:
/// Errc::Unsupported, which names it. Errc::Environment for a disk that is not there, which QEMU
/// could not open either.
Result<HarmlessCommand> make_harmless(const std::vector<QemuOption>& options);

}  // namespace vmstream
