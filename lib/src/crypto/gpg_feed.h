// SPDX-License-Identifier: MIT
// A run of gpg whose input is pushed into it.
#pragma once

#include "crypto/gpg_transfer.h"

namespace vmstream {

/// Takes bytes as they come; `accept` gets what gpg makes of them, from within write() and
/// finish(). `what` stands before gpg's errors: "encryption".
class GpgFeed {
 public:
  GpgFeed(GpgContext context, std::string what, GpgTransfer::Accept accept, WaitLimits limits);

  Status begin(const GpgTransfer::Begin& begin) { return transfer_.begin(begin); }
  Status write(std::span<const std::byte> bytes);
  /// Ends the input and waits for gpg's end.
  Status finish();

  gpgme_ctx_t context() const { return transfer_.context(); }

 private:
  Result<size_t> supply(std::span<std::byte> into);

  std::string what_;
  std::span<const std::byte> pending_;  // of the write under way
  bool ended_ = false;
  GpgTransfer transfer_;  // last: it calls back
};

}  // namespace vmstream
