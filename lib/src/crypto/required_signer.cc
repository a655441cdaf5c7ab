// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include <vmstream/openpgp.h>
#include "crypto/gpg_keys.h"

namespace vmstream {

Result<RequiredSigner> RequiredSigner::find(const std::string& name, WaitLimits limits) {
  auto key = find_key(name, KeyUse::Verify, limits);
  if (!key) return key.error();
  RequiredSigner signer;
  signer.fingerprints_.emplace_back((*key)->fpr);
  for (auto* subkey = (*key)->subkeys; subkey; subkey = subkey->next) {
    signer.fingerprints_.emplace_back(subkey->fpr);
  }
  return signer;
}

Status RequiredSigner::check(std::span<const std::shared_ptr<const OpenPgpFacts>> messages) const {
  std::string found;
  for (const auto& message : messages) {
    for (const auto& signature : message->signatures) {
      if (made(signature)) return ok();
      found += fmt::format("{}signature of {} ({})", found.empty() ? "" : ", ",
                           signature.fingerprint, name_of(signature.status));
    }
  }
  return Error{Errc::Refused, fmt::format("no good signature of key {}: found {}", fingerprint(),
                                          found.empty() ? "none at all" : found)};
}

bool RequiredSigner::made(const OpenPgpSignature& signature) const {
  return signature.status == SignatureStatus::Good &&
         std::ranges::find(fingerprints_, signature.fingerprint) != fingerprints_.end();
}

}  // namespace vmstream
