// SPDX-License-Identifier: MIT
// What a name of a key says, before any key is looked at.
#pragma once

#include <string>
#include <string_view>

#include "crypto/gpg.h"

namespace vmstream {

/// A name as a person gives it. gpg takes more and other ones: parts of user ids, short key ids,
/// patterns. All of these fit keys that were not meant, and so keys that somebody made for it.
struct KeyName {
  enum class Form {
    Fingerprint,  ///< 40 or 64 hex digits: one key and no other
    KeyId,        ///< 16 hex digits: another key may be made to share it
    Address,      ///< the whole mail address of a user id
    Other,
  };
  Form form = Form::Other;
  /// Hex digits in upper case; an address in lower case, without brackets; what was given.
  std::string text = {};
};

/// Digits may begin with "0x" and stand in groups, as gpg prints them; an address may stand in <>.
KeyName parse_key_name(std::string_view name);

/// Whether the key has exactly that name: itself or a subkey of it that fingerprint or key id, a
/// user id that address. A user id that was revoked names only a key that is revoked as well.
bool has_name(const _gpgme_key& key, const KeyName& name);

/// Whether gpg takes it for proved that the key is that of the address: by the validity of a user
/// id that has it. A fingerprint needs no proof.
bool is_proved(const _gpgme_key& key, const KeyName& address);

/// What stands for exactly that name on gpg's command line: an address in <>.
std::string gpg_pattern(const KeyName& name);

}  // namespace vmstream
