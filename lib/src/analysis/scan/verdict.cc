// SPDX-License-Identifier: MIT
#include <vmstream/verdict.h>

namespace vmstream {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Loads:
      return "loads";
    case Verdict::Depends:
      return "depends";
    case Verdict::Refused:
      break;
  }
  return "refused";
}

LoadVerdict judge_load(const ProblemLog& problems, const ProblemLog& conditions) {
  for (auto [effect, verdict] : {std::pair(LoadEffect::Refused, Verdict::Refused),
                                 std::pair(LoadEffect::Depends, Verdict::Depends)}) {
    const Problem* problem = problems.first(effect);
    const Problem* condition = conditions.first(effect);
    if (condition && (!problem || condition->offset < problem->offset)) problem = condition;
    if (problem) return {verdict, *problem};
  }
  return {};
}

}  // namespace vmstream
