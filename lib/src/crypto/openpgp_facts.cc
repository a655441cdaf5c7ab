// SPDX-License-Identifier: MIT
#include "crypto/openpgp_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "crypto/gpg_keys.h"
#include "crypto/writing_keys.h"

namespace vmstream {
namespace {

SignatureStatus status_of(const _gpgme_signature& signature) {
  switch (gpgme_err_code(signature.status)) {
    case GPG_ERR_NO_ERROR:
      return SignatureStatus::Good;
    case GPG_ERR_SIG_EXPIRED:
      return SignatureStatus::Expired;
    case GPG_ERR_KEY_EXPIRED:
      return SignatureStatus::KeyExpired;
    case GPG_ERR_CERT_REVOKED:
      return SignatureStatus::KeyRevoked;
    case GPG_ERR_BAD_SIGNATURE:
      return SignatureStatus::Bad;
    case GPG_ERR_NO_PUBKEY:
      return SignatureStatus::NoKey;
    default:
      return SignatureStatus::Unchecked;
  }
}

std::string_view trust_of(gpgme_validity_t validity) {
  switch (validity) {
    case GPGME_VALIDITY_UNKNOWN:
      return "unknown";
    case GPGME_VALIDITY_UNDEFINED:
      return "undefined";
    case GPGME_VALIDITY_NEVER:
      return "never";
    case GPGME_VALIDITY_MARGINAL:
      return "marginal";
    case GPGME_VALIDITY_FULL:
      return "full";
    case GPGME_VALIDITY_ULTIMATE:
      return "ultimate";
  }
  return "unknown";
}

// A key may carry names that nobody vouches for: the one that gpg believes most.
std::string user_id_of(const std::string& fingerprint, WaitLimits limits) {
  auto key = look_up_key(fingerprint, limits);
  if (!key || !*key) return "";
  const _gpgme_user_id* best = nullptr;
  for (const auto* uid = (*key)->uids; uid; uid = uid->next) {
    bool is_usable = (*key)->revoked || (!uid->revoked && !uid->invalid);
    if (is_usable && (!best || uid->validity > best->validity)) best = uid;
  }
  return best ? escape(best->uid) : "";
}

// Escaped by whom it was written, or now: backslashes alone do no harm.
std::string escape_once(const std::string& text) {
  std::string rest = text;
  std::erase(rest, '\\');
  return escape(rest) == rest ? text : escape(text);
}

std::string file_name_in(gpgme_sig_notation_t notation) {
  for (; notation; notation = notation->next) {
    if (!notation->name || !notation->value) continue;
    if (std::string_view(notation->name) != kFileNameNotation) continue;
    return escape_once({notation->value, static_cast<size_t>(std::max(notation->value_len, 0))});
  }
  return "";
}

OpenPgpSignature signature_of(const _gpgme_signature& found, WaitLimits limits) {
  OpenPgpSignature signature{.status = status_of(found)};
  signature.fingerprint = escape(found.fpr ? found.fpr : "");
  signature.created = static_cast<int64_t>(found.timestamp);
  signature.file_name = file_name_in(found.notations);
  signature.trust = trust_of(found.validity);
  if (signature.status != SignatureStatus::NoKey) {
    signature.user_id = user_id_of(signature.fingerprint, limits);
  }
  return signature;
}

}  // namespace

std::string_view name_of(SignatureStatus status) {
  switch (status) {
    case SignatureStatus::Good:
      return "good";
    case SignatureStatus::Expired:
      return "expired";
    case SignatureStatus::KeyExpired:
      return "key expired";
    case SignatureStatus::KeyRevoked:
      return "key revoked";
    case SignatureStatus::Bad:
      return "bad";
    case SignatureStatus::NoKey:
      return "no key";
    case SignatureStatus::Unchecked:
      return "unchecked";
  }
  return "unchecked";
}

OpenPgpFacts collect_facts(gpgme_ctx_t context, OpenPgpKind kind, WaitLimits limits) {
  OpenPgpFacts facts{.encrypted = kind == OpenPgpKind::Encrypted, .complete = true};
  auto* decrypted = facts.encrypted ? gpgme_op_decrypt_result(context) : nullptr;
  for (auto* recipient = decrypted ? decrypted->recipients : nullptr; recipient;
       recipient = recipient->next) {
    facts.recipients.push_back(escape(recipient->keyid));
  }
  auto* verified = gpgme_op_verify_result(context);
  for (auto* found = verified ? verified->signatures : nullptr; found; found = found->next) {
    facts.signatures.push_back(signature_of(*found, limits));
  }
  return facts;
}

Status check_signatures(const OpenPgpFacts& facts) {
  for (const auto& signature : facts.signatures) {
    if (signature.status != SignatureStatus::Bad) continue;
    std::string who = signature.user_id.empty() ? signature.fingerprint : signature.user_id;
    return Error{Errc::Malformed,
                 fmt::format("bad signature of {}: the content is not what was signed", who)};
  }
  return ok();
}

}  // namespace vmstream
