// SPDX-License-Identifier: MIT
#include <vmstream/problems.h>

#include <fmt/format.h>

#include <utility>

namespace vmstream {

void ProblemLog::add(Problem problem) {
  if (problem.known_flaw) {
    problem.effect = LoadEffect::Ignored;
  } else {
    ++damage_;
    if (problem.in_description) ++description_damage_;
    auto& first = first_[static_cast<size_t>(problem.effect)];
    if (!first || problem.offset < first->offset) first = problem;
  }
  if (kept_.size() < kProblemsKept) kept_.push_back(std::move(problem));
  ++total_;
}

void ProblemLog::add(const Error& fault, uint64_t position, LoadEffect effect,
                     bool in_description) {
  std::string message = fault.message;
  if (!fault.offset && fault.file_offset) {
    message = describe(Error{fault.code, fault.message, std::nullopt, fault.file_offset}) +
              fmt::format("; of the plain stream all from {:#x} on is lost", position);
  }
  add({.offset = fault.offset.value_or(position),
       .message = std::move(message),
       .effect = effect,
       .in_description = in_description});
}

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
