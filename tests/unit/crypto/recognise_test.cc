// SPDX-License-Identifier: MIT
// Which bytes begin an OpenPGP message, and secrets.
#include <vmstream/openpgp.h>

#include <fstream>

#include "support/catch.h"
#include "support/temp_dir.h"

using namespace vmstream;
using namespace std::string_view_literals;

namespace {

std::optional<OpenPgpKind> recognise(std::string_view text) {
  return recognise_openpgp(std::as_bytes(std::span(text)));
}

Result<std::shared_ptr<const Secret>> read_secret(std::string_view text) {
  testing::TempDir folder;
  std::ofstream(folder / "s", std::ios::binary) << text;
  return Secret::read_file(folder / "s");
}

}  // namespace

TEST_CASE("messages are told by their first packet", "[openpgp]") {
  for (auto head : {"\x85\x01\x0c\x03\x11\x22"sv, "\x84\x5e\x03\x11"sv, "\xc1\xc0\x4c\x03\x11"sv,
                    "\xc1\x5e\x03\x11"sv, "\x8c\x0d\x04\x09\x03\x02"sv, "\xc3\x0d\x04\x09"sv}) {
    CHECK(recognise(head) == OpenPgpKind::Encrypted);
  }
  for (auto head : {"\x90\x0d\x03\x00\x08"sv, "\xc4\x0d\x03\x00\x08"sv, "\xa3\x01\x78\x9c"sv,
                    "\xa3\x03\x42\x5a"sv, "\xc8\xed\x02\x78"sv, "\x88\x75\x04\x00"sv,
                    "\x89\x01\x33\x04\x00"sv}) {
    CHECK(recognise(head) == OpenPgpKind::Signed);
  }
}

TEST_CASE("what is no message is left alone", "[openpgp]") {
  for (auto head : {""sv, "\x85"sv, "\x85\x01\x0c"sv, "QEVM\0\0\0\3"sv, "\x1f\x8b\x08\x04"sv,
                    "\x28\xb5\x2f\xfd"sv, "BZh9"sv, "\xfd\x37zXZ\0"sv, "\x85\x01\x0c\x63\x11"sv,
                    "\xcb\x0d\x62\x00"sv, "\xff\xff\xff\xff\xff\xff"sv, "\x80\x00\x03\x03"sv,
                    "-----BEGIN PGP MESSAGE-----\n"sv, "-----BEGIN PGP MESSAGE-----\n\n!!!!"sv,
                    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nhF4DwA=="sv}) {
    CHECK_FALSE(recognise(head));
  }
}

TEST_CASE("armor is looked through", "[openpgp]") {
  CHECK(recognise("-----BEGIN PGP MESSAGE-----\n\nhF4DwA==") == OpenPgpKind::Encrypted);
  CHECK(recognise("-----BEGIN PGP MESSAGE-----\r\nVersion: 1\r\nComment: x\r\n\r\nkA0DAAgW") ==
        OpenPgpKind::Signed);
}

TEST_CASE("a passphrase is the first line", "[openpgp]") {
  for (auto text : {"correct horse"sv, "correct horse\n"sv, "correct horse\r\nbattery\n"sv}) {
    auto secret = read_secret(text);
    REQUIRE(secret);
    CHECK((*secret)->text() == "correct horse");
  }
  CHECK(read_secret(std::string(1023, 'x')));
  for (auto text : {std::string(), std::string("\nsecond"), std::string(1024, 'x')}) {
    auto secret = read_secret(text);
    REQUIRE_FALSE(secret);
    CHECK(secret.error().code == Errc::Environment);
  }
  CHECK_FALSE(Secret::read_file("/nonexistent/passphrase"));
}
