// SPDX-License-Identifier: MIT
// Whether a QEMU would load a guest, asked of that very QEMU.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/result.h>

namespace vmstream {

/// Files of the saved guest's RAM blocks, such as those of a MemoryView.
struct MemoryFiles {
  /// The path of a block's file as QEMU is to open it; empty where there is none.
  std::function<std::optional<std::string>(std::string_view block)> path_of = {};
  std::vector<int> descriptors = {};  ///< that QEMU gets, under the same numbers
};

struct LoadCheckOptions {
  std::vector<std::string> argv = {};  ///< the program and its arguments, as for a restore
  std::string search_path = {};        ///< folders to find the program in, as in PATH
  MemoryFiles memory = {};
  WaitLimits limits = {};  ///< without a deadline a minute is the most
};

/// What QEMU answered.
struct LoadAnswer {
  bool loads = false;
  std::string version;             ///< of QEMU, "7.2"
  std::vector<std::string> words;  ///< QEMU's own lines where it refused, escaped
  /// What was replaced in its arguments and could matter, in words.
  std::vector<std::string> not_checked;
  std::vector<std::string> mapped;  ///< RAM blocks whose content devices could see, not escaped
  double seconds = 0;               ///< from the start of QEMU to its answer
};

/// Lets a QEMU load everything of `file` but its memory, which it gets mapped, and no end: it takes
/// section after section and then says whether all were good. The guest never runs; disks are not
/// opened, nor is anything else of the host's: arguments with an effect are replaced by others
/// without, or refused by name. The QEMU is ended in every case.
///
/// Errc::Environment where that QEMU does not start, with its words; Errc::Unsupported for a
/// program that is a script, for arguments that are not known to be harmless, and for a QEMU
/// before 5.0; Errc::Malformed where the file cannot be read; Errc::TimedOut.
Result<LoadAnswer> check_load(const LazyFile& file, const LoadCheckOptions& options);

}  // namespace vmstream
