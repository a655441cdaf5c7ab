// SPDX-License-Identifier: MIT
#include "pipeline/digesting_sink.h"

namespace vmstream {

Status DigestingSink::write(std::span<const std::byte> bytes) {
  digest_.update(bytes);
  return next_.write(bytes);
}

Status DigestingSink::finish() {
  sha256_ = digest_.finish();
  return next_.finish();
}

std::span<std::byte> DigestingSink::lend() {
  lent_ = next_.lend();
  return lent_;
}

Status DigestingSink::commit(size_t count) {
  digest_.update(lent_.first(count));
  return next_.commit(count);
}

}  // namespace vmstream
