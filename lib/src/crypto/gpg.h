// SPDX-License-Identifier: MIT
// GPGME's objects with owners, and its errors in this library's words.
#pragma once

#include <gpgme.h>

#include <memory>
#include <string>
#include <type_traits>

#include <vmstream/openpgp.h>

namespace vmstream {

struct GpgRelease {
  void operator()(gpgme_ctx_t context) const { gpgme_release(context); }
  void operator()(gpgme_data_t data) const { gpgme_data_release(data); }
  void operator()(gpgme_key_t key) const { gpgme_key_unref(key); }
};
using GpgContext = std::unique_ptr<std::remove_pointer_t<gpgme_ctx_t>, GpgRelease>;
using GpgData = std::unique_ptr<std::remove_pointer_t<gpgme_data_t>, GpgRelease>;
using GpgKey = std::unique_ptr<std::remove_pointer_t<gpgme_key_t>, GpgRelease>;

/// A context for OpenPGP. It looks up nothing on the network. With a passphrase that is what gpg
/// gets whenever it asks, once; without one the agent's business. `passphrase` is borrowed.
Result<GpgContext> make_gpg_context(const Secret* passphrase = nullptr);

/// Errc::Environment if keys, passphrase, agent or gpg itself are at fault, else Errc::Malformed.
Error openpgp_error(const std::string& what, gpgme_error_t error);

}  // namespace vmstream
