// SPDX-License-Identifier: MIT
#include "crypto/gpg.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cerrno>

#include <vmstream/openpgp.h>
#include <vmstream/text.h>

namespace vmstream {
namespace {

// GPGME wants to be asked for its version before anything else. A static's initialiser runs once,
// whichever thread comes first.
const std::string& gpgme_version() {
  static const std::string version = [] {
    const char* found = gpgme_check_version(nullptr);
    return std::string(found ? found : "unknown");
  }();
  return version;
}

// Called by GPGME when gpg wants a passphrase; `hook` is the Secret.
gpgme_error_t hand_passphrase(void* hook, const char*, const char*, int previous_was_bad, int fd) {
  if (previous_was_bad != 0) return gpgme_error(GPG_ERR_BAD_PASSPHRASE);
  std::string_view text = static_cast<const Secret*>(hook)->text();
  if (gpgme_io_writen(fd, text.data(), text.size()) != 0 || gpgme_io_writen(fd, "\n", 1) != 0) {
    return gpgme_error_from_errno(errno);
  }
  return 0;
}

// "No secret key" becomes "no secret key"; "GPG agent" stays.
std::string error_text(gpgme_error_t error) {
  std::array<char, 256> buffer{};
  gpgme_strerror_r(error, buffer.data(), buffer.size());
  std::string text = escape(buffer.data());
  auto is_lower = [](char c) { return std::islower(static_cast<unsigned char>(c)) != 0; };
  if (text.size() > 1 && is_lower(text[1])) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

struct Advice {
  gpgme_err_code_t code;
  const char* hint;
};

// Faults of the environment. Everything else is in the message.
constexpr const char* kAsk = "gpg-agent asks through pinentry; a passphrase file needs neither";
constexpr std::array kEnvironment{
    Advice{GPG_ERR_INV_ENGINE, "GnuPG 2.1 or later must be installed (package gpg)"},
    Advice{GPG_ERR_ENOENT, "GnuPG 2.1 or later must be installed (package gpg)"},
    Advice{GPG_ERR_NO_SECKEY, ""},
    Advice{GPG_ERR_NO_PUBKEY, ""},
    Advice{GPG_ERR_UNUSABLE_PUBKEY, ""},
    Advice{GPG_ERR_UNUSABLE_SECKEY, ""},
    Advice{GPG_ERR_INV_USER_ID, ""},
    Advice{GPG_ERR_BAD_PASSPHRASE, ""},
    Advice{GPG_ERR_BAD_PIN, ""},
    Advice{GPG_ERR_CANCELED, ""},
    Advice{GPG_ERR_FULLY_CANCELED, ""},
    Advice{GPG_ERR_TIMEOUT, ""},
    Advice{GPG_ERR_NO_PASSPHRASE, kAsk},
    Advice{GPG_ERR_NO_PIN_ENTRY, kAsk},
    Advice{GPG_ERR_NO_AGENT, "gpg-agent could not be started (package gpg-agent)"},
    Advice{GPG_ERR_AGENT, kAsk},
    Advice{GPG_ERR_ENOTTY, kAsk},
    Advice{GPG_ERR_EPERM, ""},
    Advice{GPG_ERR_EACCES, ""},
    Advice{GPG_ERR_ENOMEM, ""},
    Advice{GPG_ERR_ENOSPC, ""},
};

}  // namespace

std::string openpgp_engine() {
  return "GPGME " + gpgme_version();
}

Result<GpgContext> make_gpg_context(const Secret* passphrase) {
  gpgme_version();
  gpgme_ctx_t raw = nullptr;
  if (auto error = gpgme_new(&raw)) return openpgp_error("OpenPGP", error);
  GpgContext context(raw);
  if (auto error = gpgme_set_protocol(raw, GPGME_PROTOCOL_OpenPGP)) {
    return openpgp_error("OpenPGP", error);
  }
  gpgme_set_offline(raw, 1);
  if (!passphrase) return context;
  gpgme_set_passphrase_cb(raw, hand_passphrase, const_cast<Secret*>(passphrase));
  auto error = gpgme_set_pinentry_mode(raw, GPGME_PINENTRY_MODE_LOOPBACK);
  // The agent would go on to know the passphrase of a message, and a wrong one would do.
  if (!error) error = gpgme_set_ctx_flag(raw, "no-symkey-cache", "1");
  if (error) return openpgp_error("OpenPGP", error);
  return context;
}

Error openpgp_error(const std::string& what, gpgme_error_t error) {
  Error result{Errc::Malformed, fmt::format("{}: {}", what, error_text(error))};
  for (const Advice& advice : kEnvironment) {
    if (advice.code != gpgme_err_code(error)) continue;
    result.code = Errc::Environment;
    result.hint = advice.hint;
  }
  return result;
}

}  // namespace vmstream
