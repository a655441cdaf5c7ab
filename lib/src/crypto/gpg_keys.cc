// SPDX-License-Identifier: MIT
#include "crypto/gpg_keys.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <string_view>
#include <vector>

#include <vmstream/text.h>
#include "crypto/gpg_transfer.h"

namespace vmstream {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// A long key id or a fingerprint: names one key and no other, whoever it belongs to.
bool is_identifier(std::string_view name) {
  if (name.starts_with("0x")) name.remove_prefix(2);
  bool is_hex = std::ranges::all_of(
      name, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
  return is_hex && (name.size() == 16 || name.size() == 40 || name.size() == 64);
}

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
  if (use == KeyUse::Verify) return "";
  if (key->revoked) return "is revoked";
  if (key->expired) return expiry(key->subkeys ? key->subkeys->expires : 0);
  if (key->disabled) return "is disabled";
  if (key->invalid) return "is not valid";
  return subkey_flaw(key, use);
}

// The best validity among the user ids that `name` may have meant.
gpgme_validity_t validity_of(const GpgKey& key, const std::string& name) {
  std::string wanted = lower(name);
  std::erase_if(wanted, [](char c) { return c == '<' || c == '>' || c == '='; });
  gpgme_validity_t best = GPGME_VALIDITY_UNKNOWN;
  for (auto* uid = key->uids; uid; uid = uid->next) {
    bool is_meant = lower(uid->uid).find(wanted) != std::string::npos;
    if (is_meant && !uid->revoked && !uid->invalid) best = std::max(best, uid->validity);
  }
  return best;
}

std::string fingerprints_of(const std::vector<GpgKey>& keys) {
  std::string text;
  for (const GpgKey& key : keys) text += fmt::format("{}{}", text.empty() ? "" : ", ", key->fpr);
  return text;
}

Error key_error(const std::string& name, std::string_view what, std::string hint = {}) {
  return Error{.code = Errc::Environment,
               .message = fmt::format("key '{}' {}", escape(name), what),
               .hint = std::move(hint)};
}

}  // namespace

Result<GpgKey> find_key(const std::string& name, KeyUse use, WaitLimits limits) {
  if (name.empty()) return Error{Errc::Usage, "a key has an empty name"};
  auto keys = list_keys(name, use == KeyUse::Sign, limits);
  if (!keys) return keys.error();
  if (keys->empty()) {
    bool secret = use == KeyUse::Sign;
    return key_error(
        name, secret ? "is not among the secret keys" : "is unknown",
        fmt::format("gpg --list-{}keys shows those that are here", secret ? "secret-" : ""));
  }
  std::string flaw = flaw_of(keys->front(), use);
  std::erase_if(*keys, [use](const GpgKey& key) { return !flaw_of(key, use).empty(); });
  if (keys->empty()) return key_error(name, flaw);
  if (keys->size() > 1) {
    return key_error(name, fmt::format("is ambiguous: {} keys have that name", keys->size()),
                     "give the fingerprint of one: " + fingerprints_of(*keys));
  }
  GpgKey key = std::move(keys->front());
  bool is_trusted = is_identifier(name) || validity_of(key, name) >= GPGME_VALIDITY_MARGINAL;
  if (use == KeyUse::Encrypt && !is_trusted) {
    return key_error(name, "is not known to belong to the person named",
                     fmt::format("if it is the right one, give its fingerprint: {}", key->fpr));
  }
  return key;
}

Result<bool> has_secret_key(const std::string& name, WaitLimits limits) {
  auto keys = list_keys(name, true, limits);
  if (!keys) return keys.error();
  return !keys->empty();
}

}  // namespace vmstream
