// SPDX-License-Identifier: MIT
// Bringing a guest back whose memory is mapped and not loaded.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/lazy_restore.h>
#include <vmstream/qmp.h>
#include <vmstream/restore.h>
#include <vmstream/result.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// Where a QEMU finds the memory of a block, named as in the stream; empty for one that it has to
/// load.
using PathOfBlock = std::function<std::optional<std::string>(std::string_view block)>;

/// The command of a QEMU that maps memory.
struct MappedCommand {
  std::vector<std::string> argv;
  std::vector<std::string> blocks;  ///< that it maps, not escaped: their pages are not loaded
};

/// Asks the program for its version and completes `argv` so that the blocks of guest memory are private mappings of files.
/// Errc::Unsupported, with the reason, for a guest or a QEMU whose memory cannot be such.
Result<MappedCommand> complete_command(const std::vector<std::string>& argv,
                                       const StateIndex& index, const PathOfBlock& path_of,
                                       const WaitLimits& limits = {});

/// Feeds a QEMU that was started by MappedCommand::argv, as restore_guest() does, with all of the
/// stream but the pages of `blocks`. Nothing is checked of what is not read: that is the business
/// of who serves it.
Result<RestoreSummary> restore_mapped(const LazyFile& file, const std::vector<std::string>& blocks,
                                      QmpClient& qmp, const RestoreOptions& options,
                                      RestoreObserver* observer = nullptr);

}  // namespace vmstream
