// SPDX-License-Identifier: MIT
#include "analysis/scan/check_log.h"

#include <utility>

namespace vmstream::analysis {

void CheckLog::tell(Problem problem) {
  if (!told_.contains(problem.offset)) add(std::move(problem));
}

void CheckLog::tell(uint64_t offset, std::string message, LoadEffect effect) {
  tell({.offset = offset, .message = std::move(message), .effect = effect});
}

void CheckLog::add(Problem problem) {
  if (eof_offset_ && problem.offset > *eof_offset_) problem.effect = LoadEffect::Ignored;
  if (told_.size() < ProblemLog::kProblemsKept) told_.insert(problem.offset);
  problems.add(std::move(problem));
}

void CheckLog::require(uint64_t offset, std::string message, LoadEffect effect) {
  if (!required_.insert(message).second) return;
  conditions.add({.offset = offset, .message = std::move(message), .effect = effect});
}

void CheckLog::require_before(QemuVersion since, uint64_t offset, std::string message) {
  if (loads_before(since)) return;
  require(offset, std::move(message), loader_ ? LoadEffect::Refused : LoadEffect::Depends);
}

void CheckLog::end_at(uint64_t eof_offset) {
  if (!eof_offset_) eof_offset_ = eof_offset;
}

}  // namespace vmstream::analysis
