// SPDX-License-Identifier: MIT
#include "crypto/key_name.h"

#include <algorithm>
#include <cctype>

namespace vmstream {
namespace {

constexpr size_t kKeyIdDigits = 16;
constexpr size_t kVersion4Digits = 40;
constexpr size_t kVersion5Digits = 64;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

// "0xABCD EF01" is ABCDEF01; empty for anything that is no number.
std::string hex_digits(std::string_view name) {
  if (name.starts_with("0x") || name.starts_with("0X")) name.remove_prefix(2);
  std::string digits = upper(name);
  std::erase(digits, ' ');
  bool is_hex = std::ranges::all_of(
      digits, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
  return is_hex ? digits : "";
}

// One @ with something around it, and nothing that only a whole user id or a pattern has.
bool is_address(std::string_view text) {
  size_t at = text.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == text.size()) return false;
  return std::ranges::none_of(text.substr(at + 1), [](char c) { return c == '@'; }) &&
         std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == '=' ||
                  c == '*' || c == '"' || c == '\x7f';
         });
}

bool names_user(const gpgme_user_id_t uid, const KeyName& name) {
  return uid->address && lower(uid->address) == name.text;
}

bool names_subkey(const gpgme_subkey_t subkey, const KeyName& name) {
  const char* found = name.form == KeyName::Form::KeyId ? subkey->keyid : subkey->fpr;
  return found && upper(found) == name.text;
}

}  // namespace

KeyName parse_key_name(std::string_view name) {
  std::string digits = hex_digits(name);
  if (digits.size() == kVersion4Digits || digits.size() == kVersion5Digits) {
    return {KeyName::Form::Fingerprint, std::move(digits)};
  }
  if (digits.size() == kKeyIdDigits) return {KeyName::Form::KeyId, std::move(digits)};
  std::string_view address = name;
  if (address.starts_with('<') && address.ends_with('>')) {
    address = address.substr(1, address.size() - 2);
  }
  if (is_address(address)) return {KeyName::Form::Address, lower(address)};
  return {KeyName::Form::Other, std::string(name)};
}

bool has_name(const _gpgme_key& key, const KeyName& name) {
  if (name.form == KeyName::Form::Other) return false;
  if (name.form == KeyName::Form::Address) {
    for (auto* uid = key.uids; uid; uid = uid->next) {
      bool is_valid = key.revoked || (!uid->revoked && !uid->invalid);
      if (is_valid && names_user(uid, name)) return true;
    }
    return false;
  }
  for (auto* subkey = key.subkeys; subkey; subkey = subkey->next) {
    if (names_subkey(subkey, name)) return true;
  }
  return false;
}

bool is_proved(const _gpgme_key& key, const KeyName& address) {
  for (auto* uid = key.uids; uid; uid = uid->next) {
    bool is_valid = !uid->revoked && !uid->invalid && uid->validity >= GPGME_VALIDITY_FULL;
    if (is_valid && names_user(uid, address)) return true;
  }
  return false;
}

std::string gpg_pattern(const KeyName& name) {
  if (name.form == KeyName::Form::Address) return "<" + name.text + ">";
  return name.form == KeyName::Form::Other ? name.text : "0x" + name.text;
}

}  // namespace vmstream
