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
  std::string file_name = {};  ///< to be signed with the content
  std::shared_ptr<const Secret> passphrase = {};
  WaitLimits limits = {};
};

Result<std::shared_ptr<const WritingKeys>> find_writing_keys(const OpenPgpWriteOptions& options);

/// The notation of a signature that holds the name of the file.
inline constexpr const char* kFileNameNotation = "file-name@vmstream";

/// A context with the passphrase, the signer and what the signature is to say.
Result<GpgContext> make_writing_context(const WritingKeys& keys);

}  // namespace vmstream
