// SPDX-License-Identifier: MIT
// Messages that were made to look signed, and those that are.
#include <vmstream/text.h>
#include "unit/crypto/openpgp_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

const Bytes& content() {
  static const Bytes bytes = sample(70'001);
  return bytes;
}

Bytes gpg(const std::string& arguments, const Bytes& input = content()) {
  return run("gpg -q --batch -z 0 " + arguments, input);
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Whether a reader who demands `signer` would take the message.
bool is_taken(const Bytes& message, const RequiredSigner& signer) {
  auto read = read_message(message);
  return read.content.status && signer.check(std::vector{read.facts});
}

RequiredSigner signer_of(const std::string& name) {
  auto signer = RequiredSigner::find(name);
  REQUIRE(signer);
  return *signer;
}

}  // namespace

TEST_CASE("one of several signatures is enough, if none is bad", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  GpgHome::make_key("al@example.org");
  auto jo = signer_of("jo@example.org");
  Bytes both = gpg("-s -u jo@example.org -u al@example.org");
  CHECK(is_taken(both, jo));
  CHECK(is_taken(both, signer_of("al@example.org")));
  CHECK(read_message(both).facts->signatures.size() == 2);

  // The last bytes are of the signature that was announced first.
  Bytes one_bad = both;
  one_bad[one_bad.size() - 5] ^= std::byte{1};
  auto read = read_message(one_bad);
  REQUIRE_FALSE(read.content.status);
  CHECK(read.content.status.error().code == Errc::Malformed);
}

TEST_CASE("what stands beside the signed content is not covered by it", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  GpgHome::make_key("al@example.org");
  auto jo = signer_of("jo@example.org");
  Bytes good = gpg("-s -u jo@example.org");
  REQUIRE(is_taken(good, jo));
  Bytes evil = sample(5'003);
  Bytes bare = gpg("--store", evil);
  Bytes by_al = gpg("-s -u al@example.org", evil);
  CHECK_FALSE(recognise_openpgp(bare));  // a literal alone is no message
  for (const Bytes& message : {good + bare, good + by_al, by_al + good, good + good}) {
    CHECK_FALSE(is_taken(message, jo));
  }
  // What follows a compressed message gpg leaves out.
  Bytes compressed = run("gpg -q --batch -z 6 -s -u jo@example.org", content());
  for (const Bytes& tail : {bare, by_al, evil}) {
    auto read = read_message(compressed + tail);
    if (read.content.status) CHECK((read.content.bytes == content()));
    if (!read.content.status) CHECK(read.content.status.error().code == Errc::Malformed);
  }
  // It does not even read that, if it is long.
  auto unread = read_message(compressed + Bytes(2'000'003));
  REQUIRE_FALSE(unread.content.status);
  CHECK(unread.content.status.error().code == Errc::Malformed);
  CHECK(unread.content.status.error().message ==
        "OpenPGP: what stands behind the message is no part of it");
  GpgHome::command(
      "cd $GNUPGHOME && gpg -q --batch --output sig --detach-sign -u jo@example.org "
      "/dev/null");
  Bytes detached = run("cat $GNUPGHOME/sig", {});
  CHECK_FALSE(is_taken(detached + bare, jo));
}

TEST_CASE("a signature of a subkey is its key's", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  std::string jo = GpgHome::fingerprint("jo@example.org");
  GpgHome::command("gpg -q --batch --passphrase '' --quick-add-key " + jo + " ed25519 sign never");
  auto written = write_message(content(), {.signer = "jo@example.org"});
  REQUIRE(written);
  auto read = read_message(*written);
  REQUIRE(read.facts->signatures.size() == 1);
  std::string subkey = read.facts->signatures[0].fingerprint;
  CHECK(subkey != jo);
  CHECK(read.facts->signatures[0].user_id == "jo@example.org");
  CHECK(is_taken(*written, signer_of(jo)));
  CHECK(is_taken(*written, signer_of(subkey)));
  CHECK(signer_of(subkey).fingerprint() == jo);
}

TEST_CASE("a signature in clear text is none around a file", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  CHECK_FALSE(recognise_openpgp(gpg("--clearsign", sample(900))));
  CHECK_FALSE(recognise_openpgp(gpg("-a --detach-sign", sample(900))));
}

TEST_CASE("of the names of a key the proved one is shown", "[openpgp]") {
  Bytes key;
  Bytes message;
  std::string eve;
  {
    GpgHome elsewhere;
    GpgHome::make_key("Eve <eve@example.org>");
    eve = GpgHome::fingerprint("eve@example.org");
    GpgHome::command("gpg -q --batch --quick-add-uid " + eve + " 'Ops <ops@example.org>'");
    key = run("gpg -q --batch --export", {});
    message = gpg("-s");
  }
  GpgHome home;
  GpgHome::make_key("me@example.org");
  run("gpg -q --batch --import", key);
  GpgHome::command("gpg -q --batch --quick-lsign-key " + eve + " 'Eve <eve@example.org>'");
  auto read = read_message(message);
  REQUIRE(read.facts->signatures.size() == 1);
  CHECK(read.facts->signatures[0].user_id == "Eve <eve@example.org>");
}

TEST_CASE("a signature says what its file is called", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  bool encrypt = GENERATE(true, false);
  std::string deep(255, 'd');
  for (const std::string& name :
       {std::string("guest.zst.gpg"), std::string("50% \\ of g\xc3\xa4st, a=b"), std::string("-x"),
        std::string("!"), std::string("new\nline"), std::string("no\xffUTF-8"), deep}) {
    INFO(name);
    OpenPgpWriteOptions options{.signer = "jo@example.org", .file_name = name};
    if (encrypt) options.recipients = {"jo@example.org"};
    auto written = write_message(content(), options);
    REQUIRE(written);
    auto read = read_message(*written);
    REQUIRE(read.facts->signatures.size() == 1);
    CHECK(read.facts->signatures[0].status == SignatureStatus::Good);
    CHECK(read.facts->signatures[0].file_name == escape(name));
  }
}

TEST_CASE("a name that nobody signed is not shown", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  auto read = read_message(gpg("-s --set-filename guest.zst.gpg"));
  REQUIRE(read.facts->signatures.size() == 1);
  CHECK(read.facts->signatures[0].file_name.empty());
  // Another's notation, and one that would move a terminal's cursor.
  read = read_message(gpg("-s --sig-notation name@example.org=guest"));
  CHECK(read.facts->signatures[0].file_name.empty());
  read = read_message(gpg(
      "--utf8-strings -s --sig-notation \"file-name@vmstream=$(printf '\\342\\200\\256gpg')\""));
  CHECK(read.facts->signatures[0].file_name == "\\xe2\\x80\\xaegpg");
}
