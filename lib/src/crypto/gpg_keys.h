// SPDX-License-Identifier: MIT
// Keys by the names people give them, judged before they are used.
#pragma once

#include <vmstream/cancellation.h>
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

}  // namespace vmstream
