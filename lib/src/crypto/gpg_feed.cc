// SPDX-License-Identifier: MIT
#include "crypto/gpg_feed.h"

#include <algorithm>

namespace vmstream {

GpgFeed::GpgFeed(GpgContext context, std::string what, GpgTransfer::Accept accept,
                 WaitLimits limits)
    : what_(std::move(what)),
      transfer_(
          std::move(context), [this](std::span<std::byte> into) { return supply(into); },
          std::move(accept), limits) {}

Status GpgFeed::write(std::span<const std::byte> bytes) {
  pending_ = bytes;
  while (!pending_.empty() && !transfer_.done()) {
    if (auto moved = transfer_.step(); !moved) return moved;
  }
  if (pending_.empty()) return ok();
  auto outcome = transfer_.outcome(what_);
  if (!outcome) return outcome;
  return Error{Errc::Environment, what_ + ": gpg ended before it had read everything"};
}

Status GpgFeed::finish() {
  ended_ = true;
  while (!transfer_.done()) {
    if (auto moved = transfer_.step(); !moved) return moved;
  }
  return transfer_.outcome(what_);
}

// Asked with nothing pending only once the end has come.
Result<size_t> GpgFeed::supply(std::span<std::byte> into) {
  if (pending_.empty() && !ended_) return Error{Errc::Environment, what_ + ": no input at hand"};
  size_t count = std::min(into.size(), pending_.size());
  std::copy_n(pending_.begin(), count, into.begin());
  pending_ = pending_.subspan(count);
  return count;
}

}  // namespace vmstream
