// SPDX-License-Identifier: MIT
// What GPGME says of a message that has been read, in this library's words.
#pragma once

#include <vmstream/openpgp.h>
#include "crypto/gpg.h"

namespace vmstream {

/// After an operation of `context` that read a message, whether it succeeded or not. Looks up the
/// signers' names within `limits`.
OpenPgpFacts collect_facts(gpgme_ctx_t context, OpenPgpKind kind, WaitLimits limits);

/// Success unless a signature is bad.
Status check_signatures(const OpenPgpFacts& facts);

}  // namespace vmstream
