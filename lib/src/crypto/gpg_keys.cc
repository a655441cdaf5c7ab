// SPDX-License-Identifier: MIT
#include "crypto/gpg_keys.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string_view>
#include <vector>

#include <vmstream/text.h>
#include "crypto/gpg_transfer.h"
#include "crypto/key_name.h"

namespace vmstream {
namespace {

// A gpg that waits, as for the lock of a key ring, must not outwait the limits.
Result<std::vector<GpgKey>> list_keys(const std::string& name, bool secret, WaitLimits limits) {
  auto context = make_gpg_context();
  if (!context) return context.error();
  GpgTransfer listing(std::move(*context), {}, {}, limits);
  auto begun = listing.begin([&](gpgme_ctx_t gpg, gpgme_data_t, gpgme_data_t) {
    return gpgme_op_keylist_start(gpg, name.c_str(), secret ? 1 : 0);
  });
  if (!begun) return begun.error();
  while (!listing.done()) {
    if (auto served = listing.step(); !served) return served.error();
  }
  auto listed = listing.outcome(fmt::format("key '{}'", escape(name)));
  if (!listed) return listed.error();
  std::vector<GpgKey> keys;
  for (GpgKey& key : listing.take_keys()) {
    bool is_known = std::ranges::any_of(
        keys, [&](const GpgKey& other) { return std::string_view(other->fpr) == key->fpr; });
    if (!is_known) keys.push_back(std::move(key));
  }
  return keys;
}

bool can(const gpgme_subkey_t subkey, KeyUse use) {
  switch (use) {
    case KeyUse::Encrypt:
      return subkey->can_encrypt != 0;
    case KeyUse::Sign:
    case KeyUse::Verify:
      return subkey->can_sign != 0;
  }
  return false;
}

std::string expiry(long expires) {
  return fmt::format("expired on {:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(expires)));
}

// Why none of the subkeys can do it: those that could, if only they were still valid.
std::string subkey_flaw(const GpgKey& key, KeyUse use) {
  std::string found =
      use == KeyUse::Encrypt ? "has no subkey to encrypt to" : "has no subkey to sign with";
  for (auto* subkey = key->subkeys; subkey; subkey = subkey->next) {
    if (!can(subkey, use)) continue;
    if (!subkey->revoked && !subkey->expired && !subkey->disabled && !subkey->invalid) return "";
    std::string state = subkey->revoked   ? "is revoked"
                        : subkey->expired ? expiry(subkey->expires)
                                          : "is not valid";
    found = fmt::format("is of no use: its subkey {} {}", subkey->keyid, state);
  }
  return found;
}

// What forbids to use the key; empty if nothing does.
std::string flaw_of(const GpgKey& key, KeyUse use) {
  if (key->revoked) return "is revoked";
  if (key->expired) return expiry(key->subkeys ? key->subkeys->expires : 0);
  if (key->disabled) return "is disabled";
  if (key->invalid) return "is not valid";
  return subkey_flaw(key, use);
}

// "0123… (Jo <jo@example.org>), 4567… (Al <al@example.org>)": for a person to choose from.
std::string names_of(const std::vector<GpgKey>& keys) {
  constexpr size_t kMostNames = 5;
  std::string text;
  for (size_t i = 0; i < keys.size() && i < kMostNames; ++i) {
    const auto* uid = keys[i]->uids;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", keys[i]->fpr);
    if (uid && uid->uid) text += fmt::format(" ({})", escape(uid->uid));
  }
  return keys.size() > kMostNames ? text + ", ..." : text;
}

Error key_error(const std::string& name, std::string_view what, std::string hint = {}) {
  return Error{.code = Errc::Environment,
               .message = fmt::format("key '{}' {}", escape(name), what),
               .hint = std::move(hint)};
}

bool needs_secret(KeyUse use) {
  return use == KeyUse::Sign;
}

// Keys that gpg would take for the name, for a hint. What gpg makes of the name is its own affair.
Result<std::vector<GpgKey>> find_similar(const std::string& name, KeyUse use, WaitLimits limits) {
  auto keys = list_keys(name, needs_secret(use), limits);
  bool is_over =
      !keys && (keys.error().code == Errc::TimedOut || keys.error().code == Errc::Interrupted);
  if (!keys && !is_over) return std::vector<GpgKey>();
  return keys;
}

// Nobody has that name.
Error explain_unknown(const std::string& name, KeyUse use, WaitLimits limits) {
  auto similar = find_similar(name, use, limits);
  if (!similar) return similar.error();
  std::string hint = similar->empty() ? fmt::format("gpg --list-{}keys shows those that are here",
                                                    needs_secret(use) ? "secret-" : "")
                                      : "there is " + names_of(*similar);
  return key_error(name, needs_secret(use) ? "is not among the secret keys" : "is unknown",
                   std::move(hint));
}

// The name does not stand for one key.
Error explain_inexact(const std::string& name, KeyName::Form form, KeyUse use, WaitLimits limits) {
  auto similar = find_similar(name, use, limits);
  if (!similar) return similar.error();
  if (similar->empty()) return explain_unknown(name, use, limits);
  bool is_id = form == KeyName::Form::KeyId;
  return key_error(name,
                   is_id ? "is a key id, which another key may share"
                         : "is neither a fingerprint nor a whole mail address",
                   "if it is the right one, give its fingerprint: " + names_of(*similar));
}

// Nobody else can put a secret key here, so that its id is enough for the owner.
bool is_exact(const KeyName& name, KeyUse use) {
  bool may_be_id = use != KeyUse::Verify;
  return name.form == KeyName::Form::Fingerprint || name.form == KeyName::Form::Address ||
         (may_be_id && name.form == KeyName::Form::KeyId);
}

Result<std::vector<GpgKey>> find_named(const KeyName& name, KeyUse use, WaitLimits limits) {
  bool secret = needs_secret(use) || name.form == KeyName::Form::KeyId;
  auto keys = list_keys(gpg_pattern(name), secret, limits);
  if (keys) std::erase_if(*keys, [&](const GpgKey& key) { return !has_name(*key, name); });
  return keys;
}

// Of keys that all have the name the one that may be used.
Result<GpgKey> choose(std::vector<GpgKey> keys, const std::string& given, const KeyName& name,
                      KeyUse use) {
  std::string flaw = flaw_of(keys.front(), use);
  std::erase_if(keys, [use](const GpgKey& key) { return !flaw_of(key, use).empty(); });
  if (keys.empty()) return key_error(given, flaw);
  // What is signed with a key that is not the person's own helps nobody but its reader.
  bool wants_proof = use != KeyUse::Sign && name.form == KeyName::Form::Address;
  if (wants_proof) {
    std::string unproved = names_of(keys);
    std::erase_if(keys, [&](const GpgKey& key) { return !is_proved(*key, name); });
    if (keys.empty()) {
      return key_error(given, "is not known to belong to the person named",
                       "if it is the right one, give its fingerprint: " + unproved);
    }
  }
  if (keys.size() > 1) {
    return key_error(given, fmt::format("is ambiguous: {} keys have that name", keys.size()),
                     "give the fingerprint of one: " + names_of(keys));
  }
  GpgKey chosen = std::move(keys.front());
  return chosen;
}

// gpg expands % in it and refuses control characters.
std::string notation_value(const std::string& file_name) {
  std::string value;
  for (char c : escape(file_name)) value.append(c == '%' ? 2 : 1, c);
  return value;
}

}  // namespace

Result<GpgKey> find_key(const std::string& name, KeyUse use, WaitLimits limits) {
  if (name.empty()) return Error{Errc::Usage, "a key has an empty name"};
  KeyName wanted = parse_key_name(name);
  if (!is_exact(wanted, use)) return explain_inexact(name, wanted.form, use, limits);
  auto keys = find_named(wanted, use, limits);
  if (!keys) return keys.error();
  if (!keys->empty()) return choose(std::move(*keys), name, wanted, use);
  if (wanted.form == KeyName::Form::KeyId) return explain_inexact(name, wanted.form, use, limits);
  return explain_unknown(name, use, limits);
}

Result<GpgKey> look_up_key(const std::string& fingerprint, WaitLimits limits) {
  auto keys = find_named(parse_key_name(fingerprint), KeyUse::Verify, limits);
  if (!keys) return keys.error();
  return keys->empty() ? GpgKey() : std::move(keys->front());
}

Result<bool> has_secret_part(const GpgKey& key, WaitLimits limits) {
  auto keys = list_keys(key->fpr, true, limits);
  if (!keys) return keys.error();
  return !keys->empty();
}

Result<std::shared_ptr<const WritingKeys>> find_writing_keys(const OpenPgpWriteOptions& options) {
  auto keys = std::make_shared<WritingKeys>();
  keys->symmetric = options.symmetric;
  keys->file_name = options.file_name;
  keys->passphrase = options.passphrase;
  keys->limits = options.limits;
  for (const std::string& name : options.recipients) {
    auto key = find_key(name, KeyUse::Encrypt, options.limits);
    if (!key) return key.error();
    keys->recipients.push_back(std::move(*key));
  }
  if (options.signer) {
    auto signer = find_key(*options.signer, KeyUse::Sign, options.limits);
    if (!signer) return signer.error();
    keys->signer = std::move(*signer);
  }
  return std::shared_ptr<const WritingKeys>(std::move(keys));
}

Result<GpgContext> make_writing_context(const WritingKeys& keys) {
  auto context = make_gpg_context(keys.passphrase.get());
  if (!context || !keys.signer) return context;
  if (auto error = gpgme_signers_add(context->get(), keys.signer.get())) {
    return openpgp_error("signing key", error);
  }
  if (keys.file_name.empty()) return context;
  auto error = gpgme_sig_notation_add(context->get(), kFileNameNotation,
                                      notation_value(keys.file_name).c_str(),
                                      GPGME_SIG_NOTATION_HUMAN_READABLE);
  if (error) return openpgp_error("signing", error);
  return context;
}

}  // namespace vmstream
