// SPDX-License-Identifier: MIT
#include "crypto/writing_keys.h"

#include <vmstream/text.h>
#include "crypto/gpg_keys.h"

namespace vmstream {
namespace {

// gpg expands % in it and refuses control characters.
std::string notation_value(const std::string& file_name) {
  std::string value;
  for (char c : escape(file_name)) value.append(c == '%' ? 2 : 1, c);
  return value;
}

}  // namespace

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
