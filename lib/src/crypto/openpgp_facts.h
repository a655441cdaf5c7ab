// SPDX-License-Identifier: MIT
// What gpg says of a message while and after it is read, in this library's words.
#pragma once

#include <vmstream/openpgp.h>
#include "crypto/gpg.h"

namespace vmstream {

/// After an operation of `context` that read a message, whether it succeeded or not. Looks up the
/// signers' names within `limits`.
OpenPgpFacts collect_facts(gpgme_ctx_t context, OpenPgpKind kind, WaitLimits limits);

/// Success unless a signature is bad.
Status check_signatures(const OpenPgpFacts& facts);

/// Knows why a decryption failed, and whether a message was read to its end. GPGME's verdict is "no
/// secret key" whenever a recipient's is not here, be it that the content of the message is
/// damaged, and "decryption failed" where gpg-agent could not ask for a passphrase.
class DecryptionNotes {
 public:
  DecryptionNotes() = default;
  DecryptionNotes(const DecryptionNotes&) = delete;
  DecryptionNotes& operator=(const DecryptionNotes&) = delete;

  /// Listens to what is done in `context` from now on. Must outlive that.
  Status listen(gpgme_ctx_t context);

  /// `verdict` is GPGME's on the whole operation.
  gpgme_error_t correct(gpgme_error_t verdict) const;
  /// Whether gpg has judged a signature: it does so at the end of what is signed.
  bool has_judged_signature() const { return signature_judged_; }

 private:
  static gpgme_error_t on_status(void* self, const char* keyword, const char* arguments);

  bool secret_key_found_ = false;  // and it has opened the message
  bool content_key_found_ = false;
  bool signature_judged_ = false;
  gpgme_error_t key_error_ = 0;  // why a secret key or a passphrase that is here was of no use
};

}  // namespace vmstream
