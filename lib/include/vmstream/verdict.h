// SPDX-License-Identifier: MIT
// Whether QEMU would load a stream: the one answer that every command gives.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <vmstream/problem_log.h>

namespace vmstream {

enum class Verdict {
  Loads,    ///< a QEMU that is made for it: machine, devices and capabilities of the source
  Depends,  ///< one such QEMU loads it, and another does not
  Refused,  ///< none does
};
/// "loads", "depends", "refused": the word used in JSON.
std::string_view name_of(Verdict verdict);

/// A verdict, and the first place in the stream that led to it.
struct LoadVerdict {
  Verdict verdict = Verdict::Loads;
  std::optional<Problem> because = std::nullopt;  ///< nothing where it loads
};

/// `problems` are all that a stream has. `conditions` are no flaws: what else decides a load.
LoadVerdict judge_load(const ProblemLog& problems, const ProblemLog& conditions = {});

}  // namespace vmstream
