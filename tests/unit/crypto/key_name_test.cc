// SPDX-License-Identifier: MIT
// Which names stand for a key, and which keys do not answer to them.
#include "crypto/key_name.h"
#include "unit/crypto/openpgp_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

using Form = KeyName::Form;

const std::string kDigits = "0123456789abcdef0123456789ABCDEF01234567";
const std::string kUpper = "0123456789ABCDEF0123456789ABCDEF01234567";

// The public keys that `make` makes at somebody else's, as bytes to import.
template <typename Make>
Bytes keys_of_stranger(const Make& make) {
  GpgHome elsewhere;
  make();
  return run("gpg -q --batch --export", {});
}

void import(const Bytes& keys) {
  run("gpg -q --batch --import", keys);
}

void revoke(const std::string& fingerprint) {
  std::string file = "$GNUPGHOME/openpgp-revocs.d/" + fingerprint + ".rev";
  GpgHome::command("sed -i s/^:// " + file + " && gpg -q --batch --import " + file);
}

void disable(const std::string& fingerprint) {
  GpgHome::command("echo disable | gpg -q --batch --command-fd 0 --edit-key " + fingerprint);
}

// Nobody may be taken for `name`, and the words say why.
void check_no_signer(const std::string& name, const std::string& message,
                     const std::string& in_hint = "") {
  INFO(name);
  auto signer = RequiredSigner::find(name);
  REQUIRE_FALSE(signer);
  CHECK(signer.error().code == Errc::Environment);
  CHECK(signer.error().message == "key '" + name + "' " + message);
  CHECK(signer.error().hint.find(in_hint) != std::string::npos);
}

void check_signer(const std::string& name, const std::string& fingerprint) {
  INFO(name);
  auto signer = RequiredSigner::find(name);
  if (!signer) FAIL(signer.error().message);
  CHECK(signer->fingerprint() == fingerprint);
}

}  // namespace

TEST_CASE("a name of a key is a fingerprint, a key id or a whole mail address", "[openpgp]") {
  struct Case {
    std::string given;
    Form form;
    std::string text;
  };
  const std::array cases{
      Case{kDigits, Form::Fingerprint, kUpper},
      Case{"0x" + kDigits, Form::Fingerprint, kUpper},
      Case{"0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567", Form::Fingerprint, kUpper},
      Case{kDigits + kDigits.substr(16), Form::Fingerprint, kUpper + kUpper.substr(16)},
      Case{"0123456789abcdef", Form::KeyId, "0123456789ABCDEF"},
      Case{"0X0123456789abcdef", Form::KeyId, "0123456789ABCDEF"},
      Case{"Ops@Example.ORG", Form::Address, "ops@example.org"},
      Case{"<ops@example.org>", Form::Address, "ops@example.org"},
      Case{"ops+night@example.org", Form::Address, "ops+night@example.org"},
  };
  for (const auto& [given, form, text] : cases) {
    INFO(given);
    CHECK(parse_key_name(given).form == form);
    CHECK(parse_key_name(given).text == text);
  }
  for (const std::string given : {"",
                                  "0x",
                                  "0123456789",
                                  "89abcdef",
                                  "0x89abcdef",
                                  "Ops",
                                  "example.org",
                                  "@example.org",
                                  "ops@",
                                  "ops@example@org",
                                  "Ops <ops@example.org>",
                                  "=Ops <ops@example.org>",
                                  "*ops",
                                  "*@example.org",
                                  "=ops@example.org",
                                  "<ops@example.org",
                                  "<>",
                                  "<",
                                  "ops@example.org ",
                                  "ops@exam\nple.org"}) {
    INFO(given);
    CHECK(parse_key_name(given).form == Form::Other);
  }
  CHECK(parse_key_name(kDigits + "!").form == Form::Other);
  CHECK(parse_key_name(kDigits.substr(1)).form == Form::Other);
  CHECK(parse_key_name(kDigits + "0").form == Form::Other);
}

TEST_CASE("an address is not the end of another", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Dev <devops@example.org>");
  std::string dev = GpgHome::fingerprint("devops@example.org");
  check_no_signer("ops@example.org", "is unknown", dev + " (Dev <devops@example.org>)");
  auto refused = write_message({}, {.recipients = {"ops@example.org"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "key 'ops@example.org' is unknown");
  refused = write_message({}, {.signer = "ops@example.org"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "key 'ops@example.org' is not among the secret keys");

  GpgHome::make_key("Ops <ops@example.org>");
  std::string ops = GpgHome::fingerprint("<ops@example.org>");
  for (const char* name : {"ops@example.org", "OPS@example.ORG", "<ops@example.org>"}) {
    check_signer(name, ops);
    CHECK(write_message({}, {.recipients = {name}, .signer = name}));
  }
}

TEST_CASE("names that fit more keys than one are answered with fingerprints", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Ops <ops@example.org>");
  std::string ops = GpgHome::fingerprint("ops@example.org");
  std::string name_form = "is neither a fingerprint nor a whole mail address";
  for (const std::string& name :
       {std::string("Ops"), std::string("example.org"), std::string("=Ops <ops@example.org>"),
        std::string("Ops <ops@example.org>"), ops.substr(32), "0x" + ops.substr(32), ops + "!"}) {
    check_no_signer(name, name_form, ops);
    for (bool encrypt : {true, false}) {
      OpenPgpWriteOptions options;
      if (encrypt) options.recipients = {name};
      if (!encrypt) options.signer = name;
      auto written = write_message({}, options);
      REQUIRE_FALSE(written);
      CHECK(written.error().code == Errc::Environment);
      CHECK(written.error().hint.find(ops) != std::string::npos);
    }
  }
  check_no_signer("*@example.org", name_form, ops);
  check_no_signer("nobody", "is unknown", "gpg --list-keys");
  auto empty = RequiredSigner::find("");
  REQUIRE_FALSE(empty);
  CHECK(empty.error().code == Errc::Usage);

  check_signer(ops, ops);
  std::string spaced = ops;
  for (size_t at = 36; at > 0; at -= 4) spaced.insert(at, " ");
  check_signer(spaced, ops);
}

TEST_CASE("a key id names a key of one's own and no signer", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Ops <ops@example.org>");
  std::string ops = GpgHome::fingerprint("ops@example.org");
  import(keys_of_stranger([] { GpgHome::make_key("Al <al@example.org>");
}));
std::string al = GpgHome::fingerprint("al@example.org");
std::string own_id = ops.substr(24);
CHECK(write_message({}, {.recipients = {own_id}, .signer = "0x" + own_id}));
check_no_signer(own_id, "is a key id, which another key may share", ops);
auto written = write_message({}, {.recipients = {al.substr(24)}});
REQUIRE_FALSE(written);
CHECK(written.error().message ==
      "key '" + al.substr(24) + "' is a key id, which another key may share");
CHECK(written.error().hint.find(al) != std::string::npos);
}

TEST_CASE("an address proves nothing on a key that gpg does not hold valid", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Me <me@example.org>");
  // A stranger's key: Eve is who she says she is, and says that she is Ops too.
  import(keys_of_stranger([] {
    GpgHome::make_key("Eve <eve@example.org>");
  std::string eve = GpgHome::fingerprint("eve@example.org");
  GpgHome::command("gpg -q --batch --quick-add-uid " + eve + " 'Ops <ops@example.org>'");
}));
std::string eve = GpgHome::fingerprint("eve@example.org");
std::string unproved = "is not known to belong to the person named";
check_no_signer("ops@example.org", unproved, eve);
check_no_signer("eve@example.org", unproved, eve);
check_signer(eve, eve);
GpgHome::command("gpg -q --batch --quick-lsign-key " + eve + " 'Eve <eve@example.org>'");
check_signer("eve@example.org", eve);
check_no_signer("ops@example.org", unproved, eve);
auto written = write_message({}, {.recipients = {"ops@example.org"}});
REQUIRE_FALSE(written);
CHECK(written.error().message == "key 'ops@example.org' " + unproved);

SECTION("the valid key of two is meant") {
  GpgHome::make_key("Night shift <ops@example.org>");
  check_signer("ops@example.org", GpgHome::fingerprint("Night shift"));
}
SECTION("two valid ones are one too many") {
  GpgHome::command("gpg -q --batch --quick-lsign-key " + eve + " 'Ops <ops@example.org>'");
  check_signer("ops@example.org", eve);
  GpgHome::make_key("Night shift <ops@example.org>");
  check_no_signer("ops@example.org", "is ambiguous: 2 keys have that name", eve);
}
SECTION("a trust model that asks nothing proves nothing") {
  GpgHome::command("echo trust-model always > $GNUPGHOME/gpg.conf");
  check_no_signer("ops@example.org", unproved, eve);
  check_signer(eve, eve);
}
}

TEST_CASE("a user id that was revoked names its key no more", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Jo <jo@example.org>");
  std::string jo = GpgHome::fingerprint("jo@example.org");
  GpgHome::command("gpg -q --batch --quick-add-uid " + jo + " 'Ops <ops@example.org>'");
  check_signer("ops@example.org", jo);
  GpgHome::command("gpg -q --batch --quick-revoke-uid " + jo + " 'Ops <ops@example.org>'");
  check_no_signer("ops@example.org", "is unknown", jo);
  check_signer("jo@example.org", jo);
}

TEST_CASE("a key that may not be used vouches for nothing, whatever its name", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("gone@example.org");
  GpgHome::make_key("off@example.org");
  GpgHome::make_key("late@example.org", "future-default", "", "seconds=1");
  std::string gone = GpgHome::fingerprint("gone@example.org");
  std::string off = GpgHome::fingerprint("off@example.org");
  std::string late = GpgHome::fingerprint("late@example.org");
  revoke(gone);
  disable(off);
  GpgHome::command("sleep 2");
  for (const std::string& name : {gone, std::string("gone@example.org")}) {
    check_no_signer(name, "is revoked");
  }
  for (const std::string& name : {off, std::string("off@example.org")}) {
    check_no_signer(name, "is disabled");
  }
  for (const std::string& name : {late, std::string("late@example.org")}) {
    auto signer = RequiredSigner::find(name);
    REQUIRE_FALSE(signer);
    CHECK(signer.error().message.starts_with("key '" + name + "' expired on 20"));
  }
}
