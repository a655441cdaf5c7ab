// SPDX-License-Identifier: MIT
// The keys that a message is written with, found and judged.
#pragma once

#include <memory>
#include <vector>

#include <vmstream/openpgp.h>
#include "crypto/gpg.h"

namespace vmstream {

/// What the options of a message amount to.
struct WritingKeys {
  std::vector<GpgKey> recipients = {};
  GpgKey signer = {};  ///< null: not signed
  bool symmetric = false;
  std::shared_ptr<const Secret> passphrase = {};
  WaitLimits limits = {};
};

Result<std::shared_ptr<const WritingKeys>> find_writing_keys(const OpenPgpWriteOptions& options);

/// A context with the passphrase and the signer.
Result<GpgContext> make_writing_context(const WritingKeys& keys);

}  // namespace vmstream
