// SPDX-License-Identifier: MIT
#include "pipeline/digesting_sink.h"

#include "pipeline/lane_digest.h"

namespace vmstream {

struct DigestingSink::State {
  ByteSink& next;
  LaneDigest digest;
  std::span<const std::byte> lent = {};
  std::string sha256 = {};
};

DigestingSink::DigestingSink(ByteSink& next, size_t threads)
    : state_(new State{.next = next, .digest = LaneDigest(threads != 1)}) {}
DigestingSink::~DigestingSink() = default;

Status DigestingSink::write(std::span<const std::byte> bytes) {
  state_->digest.update(bytes);
  return state_->next.write(bytes);
}

Status DigestingSink::finish() {
  state_->sha256 = state_->digest.finish();
  return state_->next.finish();
}

std::span<std::byte> DigestingSink::lend() {
  auto lent = state_->next.lend();
  state_->lent = lent;
  return lent;
}

Status DigestingSink::commit(size_t count) {
  state_->digest.update(state_->lent.first(count));
  return state_->next.commit(count);
}

const std::string& DigestingSink::sha256() const {
  return state_->sha256;
}

}  // namespace vmstream
