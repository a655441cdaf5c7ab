// SPDX-License-Identifier: MIT
// Which sidecars are read at all.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <vmstream/random_source.h>

namespace vmstream {

/// Opens the index that lies beside a state file. It counts only where nobody can have written it
/// who could not have written the state file: a regular file and no link, owned by the user who
/// reads it, by root, or by `file_owner`, the owner of the state file, and writable by its owner
/// alone.
///
/// Null where there is none. Errc::Refused, with the reason, for one that does not count.
Result<std::unique_ptr<RandomSource>> open_sidecar(const std::string& path,
                                                   std::optional<uint32_t> file_owner,
                                                   WaitLimits limits = {});

}  // namespace vmstream
