// SPDX-License-Identifier: MIT
// A signature over bytes that go elsewhere.
#pragma once

#include <vector>

#include "crypto/gpg_feed.h"
#include "crypto/openpgp_packets.h"
#include "crypto/writing_keys.h"

namespace vmstream {

/// Has gpg sign what it is shown.
class DetachedSigner {
 public:
  static Result<std::unique_ptr<DetachedSigner>> start(const WritingKeys& keys);
  DetachedSigner(GpgContext context, WaitLimits limits);

  Status update(std::span<const std::byte> bytes) { return feed_.write(bytes); }
  Result<SignaturePacket> finish();

 private:
  Status accept(std::span<const std::byte> bytes);

  std::vector<std::byte> signature_;
  GpgFeed feed_;  // last: it calls back
};

}  // namespace vmstream
