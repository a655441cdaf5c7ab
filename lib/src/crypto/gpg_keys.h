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
  Verify,
};

/// The one key called `name` that is fit for `use`. Errors are Errc::Environment and name the key
/// and what is wrong with it.
Result<GpgKey> find_key(const std::string& name, KeyUse use, WaitLimits limits);

/// Whether the secret part of a key called `name` is here.
Result<bool> has_secret_key(const std::string& name, WaitLimits limits);

}  // namespace vmstream
