// SPDX-License-Identifier: MIT
// Messages to many, and why one of them cannot be read.
#include "unit/crypto/openpgp_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

const Bytes& content() {
  static const Bytes bytes = sample(700'001);
  return bytes;
}

// Keys of Jo, whose secret part is here, and of Al and Cy, whose are not.
struct Recipients {
  GpgHome home;

  Recipients() {
    for (const char* name : {"jo@example.org", "al@example.org", "cy@example.org"}) {
      GpgHome::make_key(name);
    }
    for (const char* name : {"al@example.org", "cy@example.org"}) {
      GpgHome::command("gpg -q --batch --yes --delete-secret-keys " + GpgHome::fingerprint(name));
    }
  }
};

Bytes encrypt(const std::string& arguments) {
  return run("gpg -q --batch --pinentry-mode loopback --passphrase secret -z 0 -e " + arguments,
             content());
}

Bytes changed(Bytes message, size_t at) {
  message[at] ^= std::byte{0x10};
  return message;
}

Bytes cut(const Bytes& message, size_t length) {
  return {message.begin(), message.begin() + static_cast<ptrdiff_t>(length)};
}

void check_damaged(const Bytes& message, const OpenPgpReadOptions& options = {}) {
  auto read = read_message(message, options);
  REQUIRE_FALSE(read.content.status);
  CHECK(read.content.status.error().message == "OpenPGP: decryption failed");
  CHECK(read.content.status.error().code == Errc::Malformed);
  CHECK(read.facts->complete);
}

void check_key_missing(const Bytes& message, const std::string& why,
                       const OpenPgpReadOptions& options = {}) {
  auto read = read_message(message, options);
  REQUIRE_FALSE(read.content.status);
  INFO(read.content.status.error().message);
  CHECK(read.content.status.error().code == Errc::Environment);
  CHECK(read.content.status.error().message.starts_with("OpenPGP: " + why));
  CHECK(read.content.bytes.empty());
}

}  // namespace

TEST_CASE("a damaged message is damaged, whoever else could read it", "[openpgp]") {
  Recipients recipients;
  for (const std::string to :
       {"-r jo@example.org", "-r jo@example.org -r al@example.org",
        "-r al@example.org -r jo@example.org",
        "-r al@example.org -r jo@example.org -r cy@example.org",
        "-R al@example.org -R jo@example.org", "-r jo@example.org -R al@example.org"}) {
    INFO(to);
    Bytes message = encrypt(to);
    auto whole = read_message(message);
    REQUIRE(whole.content.status);
    CHECK((whole.content.bytes == content()));
    size_t size = message.size();
    for (size_t at : {size / 2, size - 30}) check_damaged(changed(message, at));
    for (size_t length : {size / 2, size - 1, size - 30}) check_damaged(cut(message, length));
    // What was decrypted before the damage has been handed out.
    auto read = read_message(changed(message, size / 2));
    CHECK(read.content.bytes.size() > content().size() / 3);
  }
}

TEST_CASE("a damaged message to a passphrase and to others is damaged", "[openpgp]") {
  Recipients recipients;
  Bytes message = encrypt("-c -r al@example.org");
  OpenPgpReadOptions right{.passphrase = secret("secret")};
  CHECK(read_message(message, right).content.status);
  check_damaged(changed(message, message.size() / 2), right);
  check_damaged(cut(message, message.size() / 2), right);
  check_key_missing(message, "bad passphrase", {.passphrase = secret("battery staple")});
}

TEST_CASE("a message to others only lacks a key, damaged or not", "[openpgp]") {
  Recipients recipients;
  for (const std::string to :
       {"-r al@example.org", "-r al@example.org -r cy@example.org", "-R al@example.org"}) {
    INFO(to);
    Bytes message = encrypt(to);
    check_key_missing(message, "no secret key; encrypted to ");
    check_key_missing(changed(message, message.size() / 2), "no secret key; encrypted to ");
  }
}

TEST_CASE("a session key that was changed is damage", "[openpgp]") {
  Recipients recipients;
  constexpr size_t kWithinSessionKey = 60;
  for (const std::string to : {"-r jo@example.org", "-r jo@example.org -r al@example.org"}) {
    INFO(to);
    auto read = read_message(changed(encrypt(to), kWithinSessionKey));
    REQUIRE_FALSE(read.content.status);
    CHECK(read.content.status.error().code == Errc::Malformed);
    CHECK(read.content.bytes.empty());
  }
}

TEST_CASE("a key that nobody unlocks is no damage", "[openpgp]") {
  Recipients recipients;
  GpgHome::make_key("pat@example.org", "future-default", "correct horse");
  GpgHome::command("echo pinentry-program /bin/false > $GNUPGHOME/gpg-agent.conf");
  GpgHome::command("gpgconf --kill gpg-agent");
  for (const std::string to : {"-r pat@example.org", "-r pat@example.org -r al@example.org"}) {
    INFO(to);
    Bytes message = encrypt(to);
    check_key_missing(message, "no pinentry");
    check_key_missing(message, "bad passphrase", {.passphrase = secret("battery staple")});
    CHECK(read_message(message, {.passphrase = secret("correct horse")}).content.status);
    GpgHome::command("gpgconf --kill gpg-agent");
  }
}
