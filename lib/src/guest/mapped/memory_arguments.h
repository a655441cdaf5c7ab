// SPDX-License-Identifier: MIT
// A QEMU's command line whose guest gets its memory from files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/format.h>
#include "guest/mapped/qemu_options.h"
#include "guest/mapped/qemu_program.h"

namespace vmstream {

/// What the memory is mapped for. A guest that is to run must get all of its main memory, and
/// nothing that writes to it from outside of QEMU; of one that only is loaded QEMU itself says what
/// is wrong.
enum class MemoryUse { Run, Check };

/// The file of a RAM block, as QEMU is to open it; empty where there is none.
using BlockPath = std::function<std::optional<std::string>(std::string_view block)>;

struct MemoryArguments {
  std::vector<QemuOption> options;        ///< completed
  std::vector<std::string> mapped;        ///< names of the blocks that come from files
  std::vector<std::string> without = {};  ///< of Check: memory that is not mapped, and why
};

/// Gives each RAM block of `blocks`, those of the saved guest, that this command line makes by a
/// backend, or as its main memory, the file that `path_of` names, as a private mapping. Backends of
/// the user's own are replaced under the same name; their policies stay.
///
/// For MemoryUse::Run Errc::Unsupported, with what to do, where the memory has another size than
/// the block, is shared (share=on, vhost-user, virtiofs), in huge pages, preallocated or pinned
/// (VFIO), comes from -mem-path, or has no name that is known; and for a QEMU before 5.0.
Result<MemoryArguments> complete_memory(std::vector<QemuOption> options,
                                        const std::vector<RamBlock>& blocks, QemuRelease release,
                                        const BlockPath& path_of, MemoryUse use);

}  // namespace vmstream
