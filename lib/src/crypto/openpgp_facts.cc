// SPDX-License-Identifier: MIT
#include "crypto/openpgp_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <vmstream/openpgp.h>
#include <vmstream/text.h>
#include "crypto/gpg_keys.h"

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

// The places in gpg whose errors tell of a key, and not of what it opens.
constexpr std::array<std::string_view, 3> kKeyPlaces{"pkdecrypt_failed", "get_passphrase",
                                                     "symkey_decrypt.maybe_error"};

// What GPGME says where a key or a passphrase may be at fault, or else the content.
constexpr std::array kBlamesKeys{GPG_ERR_NO_SECKEY, GPG_ERR_DECRYPT_FAILED, GPG_ERR_CANCELED,
                                 GPG_ERR_FULLY_CANCELED, GPG_ERR_BAD_PASSPHRASE};

// gpg's words about a signature that it could check, and about one that it could not.
constexpr std::array<std::string_view, 6> kSignatureWords{"GOODSIG",   "EXPSIG", "EXPKEYSIG",
                                                          "REVKEYSIG", "BADSIG", "ERRSIG"};

// "pkdecrypt_failed 16777226", "symkey_decrypt.maybe_error 11_BAD_PASSPHRASE"
gpgme_error_t key_error_in(std::string_view arguments) {
  size_t end = arguments.find(' ');
  if (end == std::string_view::npos) return 0;
  std::string_view place = arguments.substr(0, end);
  for (std::string_view known : kKeyPlaces) {
    if (place == known) {
      std::string number(arguments.substr(end + 1));
      return static_cast<gpgme_error_t>(std::strtoul(number.c_str(), nullptr, 10));
    }
  }
  return 0;
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

Status DecryptionNotes::listen(gpgme_ctx_t context) {
  if (auto error = gpgme_set_ctx_flag(context, "full-status", "1")) {
    return openpgp_error("OpenPGP", error);
  }
  gpgme_set_status_cb(context, on_status, this);
  return ok();
}

gpgme_error_t DecryptionNotes::correct(gpgme_error_t verdict) const {
  auto code = gpgme_err_code(verdict);
  bool blames_keys = std::find(kBlamesKeys.begin(), kBlamesKeys.end(), code) != kBlamesKeys.end();
  if (!blames_keys) return verdict;
  if (content_key_found_) return gpgme_error(GPG_ERR_DECRYPT_FAILED);
  return key_error_ != 0 ? key_error_ : verdict;
}

gpgme_error_t DecryptionNotes::on_status(void* self, const char* keyword, const char* arguments) {
  auto& notes = *static_cast<DecryptionNotes*>(self);
  std::string_view word = keyword;
  if (word == "DECRYPTION_KEY") notes.secret_key_found_ = true;
  if (word == "DECRYPTION_INFO") notes.content_key_found_ = true;
  if (std::ranges::find(kSignatureWords, word) != kSignatureWords.end()) {
    notes.signature_judged_ = true;
  }
  // Bad content can look like one more message, for which gpg asks for a passphrase.
  if (word == "ERROR" && !notes.secret_key_found_) {
    if (auto error = key_error_in(arguments)) {
      notes.key_error_ = error;
      notes.content_key_found_ = false;  // a wrong passphrase gives a key as well
    }
  }
  return 0;
}

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
