// SPDX-License-Identifier: MIT
#include "crypto/decryption_notes.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace vmstream {
namespace {

// The places in gpg whose errors tell of a key, and not of what it opens.
constexpr std::array<std::string_view, 3> kKeyPlaces{"pkdecrypt_failed", "get_passphrase",
                                                     "symkey_decrypt.maybe_error"};

// What GPGME says where a key or a passphrase may be at fault, or else the content.
constexpr std::array kBlamesKeys{GPG_ERR_NO_SECKEY, GPG_ERR_DECRYPT_FAILED, GPG_ERR_CANCELED,
                                 GPG_ERR_FULLY_CANCELED, GPG_ERR_BAD_PASSPHRASE};

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
  // Bad content can look like one more message, for which gpg asks for a passphrase.
  if (word == "ERROR" && !notes.secret_key_found_) {
    if (auto error = key_error_in(arguments)) {
      notes.key_error_ = error;
      notes.content_key_found_ = false;  // a wrong passphrase gives a key as well
    }
  }
  return 0;
}

}  // namespace vmstream
