// SPDX-License-Identifier: MIT
// What is wrong with a stream, in bounded memory, and whether QEMU would load it: the one answer
// that every command gives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/result.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// Problems in the order they were met. A damaged file can hold millions of them: the first
/// kProblemsKept are kept, the rest counted. A plain value.
class ProblemLog {
 public:
  static constexpr size_t kProblemsKept = 1000;

  void add(Problem problem);
  /// A failure that ended the reading. `position` stands in where the error has no offset of its
  /// own, as those of decoders have none in the plain stream.
  void add(const Error& fault, uint64_t position, LoadEffect effect = LoadEffect::Refused,
           bool in_description = false);

  const std::vector<Problem>& kept() const { return kept_; }
  uint64_t total() const { return total_; }
  bool empty() const { return total_ == 0; }
  /// Those of total() that are no mere flaws of the QEMU that wrote the stream.
  uint64_t damage() const { return damage_; }
  /// Those of damage() that hurt the description alone.
  uint64_t description_damage() const { return description_damage_; }
  /// Of those, the one at the lowest offset with this effect; null where there is none.
  const Problem* first(LoadEffect effect) const {
    const auto& problem = first_[static_cast<size_t>(effect)];
    return problem ? &*problem : nullptr;
  }

 private:
  std::vector<Problem> kept_;
  uint64_t total_ = 0;
  uint64_t damage_ = 0;
  uint64_t description_damage_ = 0;
  std::array<std::optional<Problem>, 3> first_;  // by effect
};

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
