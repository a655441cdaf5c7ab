// SPDX-License-Identifier: MIT
// Keys by the names people give them, judged before they are used; and those that a message is
// written with.
#pragma once

#include <memory>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/openpgp.h>
#include "crypto/gpg.h"

namespace vmstream {

/// What a key is wanted for.
enum class KeyUse {
  Encrypt,  ///< to its owner
  Sign,     ///< with its secret part
  Verify,   ///< what it signed
};

/// The one key of that name that is fit for `use`: neither revoked, expired nor disabled, and with
/// a subkey for it. A name is
///
///   a fingerprint     of the key or of a subkey, in full
///   a mail address    in full, of one key only; to encrypt or to verify, of a user id whose
///   validity
///                     gpg computes as full or ultimate
///   a key id          of 16 digits, to encrypt or to sign, of a key whose secret part is here
///
/// Errors are Errc::Environment and name the key and what is wrong with it; for any other name that
/// gpg would take the hint has the fingerprints of the keys it would have taken.
Result<GpgKey> find_key(const std::string& name, KeyUse use, WaitLimits limits);

/// The key of that fingerprint, as it is; null if it is not here.
Result<GpgKey> look_up_key(const std::string& fingerprint, WaitLimits limits);

/// Whether the secret part of the key is here.
Result<bool> has_secret_part(const GpgKey& key, WaitLimits limits);

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
