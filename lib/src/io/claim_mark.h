// SPDX-License-Identifier: MIT
// How it is written down that a state file is claimed: in its name, and in the file itself.
#pragma once

#include <optional>
#include <string>

#include <vmstream/result.h>

namespace vmstream {

inline constexpr const char* kClaimedSuffix = ".restoring";
inline constexpr const char* kUsedSuffix = ".restored";

/// `path` with all links followed, absolute. The name that a dangling link leads to is given too.
std::string follow_links(const std::string& path);

/// Why nobody may restore the file that is open as `fd` and was found at `followed`: an
/// Errc::Refused; nullopt if nothing forbids it.
///
/// A name ending in .restoring or .restored says so. A file may have other names, so the file
/// carries a mark, an extended attribute with the name that it was claimed by. The mark of a file
/// that has that very name again, and no other, is void: somebody has renamed it back by hand.
Result<std::optional<Error>> find_claim(int fd, const std::string& followed);

/// What became of a file that is not at `followed` any more: Errc::Refused if that was a claim;
/// nullopt if no claim of it is there.
std::optional<Error> find_claim_of_missing(const std::string& followed);

/// Marks the file as claimed by the name `followed`. Fails only where it has other names by which
/// it would be restored again: Errc::Refused.
Status set_claim_mark(int fd, const std::string& followed);
void clear_claim_mark(int fd);

/// The refusals, by what has become of the file, and how that is seen.
Error claimed_by_another(const char* how = "it has become");
Error used_already(const char* how = "it has become");
Error at_work_already();

}  // namespace vmstream
