// SPDX-License-Identifier: MIT
// Where the checks of a stream put what they find.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <vmstream/problems.h>
#include <vmstream/stream_summary.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// Problems, of each place the first, and conditions, each once. Knows which release is asked for.
class CheckLog {
 public:
  /// `loader`: the release that is to load the stream; without one, whichever is made for it.
  explicit CheckLog(std::optional<QemuVersion> loader) : loader_(loader) {}

  const std::optional<QemuVersion>& loader() const { return loader_; }
  bool loads_before(QemuVersion version) const { return loader_ && *loader_ < version; }
  bool loads_after(QemuVersion version) const { return loader_ && *loader_ > version; }

  /// A flaw of the stream, unless its place has one already.
  void tell(Problem problem) {
    if (!told_.contains(problem.offset)) add(std::move(problem));
  }
  void tell(uint64_t offset, std::string message, LoadEffect effect = LoadEffect::Refused) {
    tell({.offset = offset, .message = std::move(message), .effect = effect});
  }
  /// A flaw whatever its place has: the parser's own, and those that have no place of their own.
  void add(Problem problem) {
    if (eof_offset_ && problem.offset > *eof_offset_) problem.effect = LoadEffect::Ignored;
    if (told_.size() < ProblemLog::kProblemsKept) told_.insert(problem.offset);
    problems.add(std::move(problem));
  }
  /// No flaw, but it decides a load. A million pages that want the same tell it once.
  void require(uint64_t offset, std::string message, LoadEffect effect) {
    if (!required_.insert(message).second) return;
    conditions.add({.offset = offset, .message = std::move(message), .effect = effect});
  }

  /// The same of what the releases from `since` on no longer load.
  void require_before(QemuVersion since, uint64_t offset, std::string message) {
    if (loads_before(since)) return;
    require(offset, std::move(message), loader_ ? LoadEffect::Refused : LoadEffect::Depends);
  }

  /// From here on QEMU reads nothing: no problem behind this offset matters to it.
  void end_at(uint64_t eof_offset) {
    if (!eof_offset_) eof_offset_ = eof_offset;
  }
  std::optional<uint64_t> eof_offset() const { return eof_offset_; }

  ProblemLog problems;
  ProblemLog conditions;

 private:
  std::optional<QemuVersion> loader_;
  std::optional<uint64_t> eof_offset_;
  std::set<uint64_t> told_;         // offsets
  std::set<std::string> required_;  // messages
};

}  // namespace vmstream
