// SPDX-License-Identifier: MIT
// OpenPGP messages between the library and the gpg of the system, in a home of their own.
#include <csignal>
#include <filesystem>

#include "unit/crypto/openpgp_fixture.h"

using namespace vmstream;
using namespace testing;
using namespace std::chrono_literals;

namespace {

const Bytes& content() {
  static const Bytes bytes = sample(700'001);
  return bytes;
}

std::string message_of(const Status& status) {
  return status ? "" : status.error().message;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The gpg that encrypts to the key: GPGME does not tell which it started.
pid_t find_gpg(const std::string& fingerprint) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    if (read_text(entry.path() / "comm") != "gpg\n") continue;
    if (read_text(entry.path() / "cmdline").find(fingerprint) == std::string::npos) continue;
    return std::stoi(entry.path().filename());
  }
  return 0;
}

// The gpg that works in this test's home: there is one at most.
pid_t find_own_gpg() {
  std::string home = std::string("GNUPGHOME=") + std::getenv("GNUPGHOME");
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    if (read_text(entry.path() / "comm") != "gpg\n") continue;
    if (read_text(entry.path() / "environ").find(home) == std::string::npos) continue;
    return std::stoi(entry.path().filename());
  }
  return 0;
}

// `options` must be refused with this error.
void check_refused(const OpenPgpWriteOptions& options, const std::string& message) {
  auto written = write_message(content(), options);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Errc::Environment);
  CHECK(written.error().message == message);
}

}  // namespace

TEST_CASE("gpg reads what is encrypted, and what gpg encrypts is read", "[openpgp]") {
  GpgHome home;
  auto kind = GENERATE(std::string("future-default"), std::string("rsa2048"));
  GpgHome::make_key("Jo <jo@example.org>", kind);
  if (kind == "rsa2048") {
    GpgHome::command("gpg -q --batch --passphrase '' --quick-add-key " +
                     GpgHome::fingerprint("jo@example.org") + " rsa2048 encr never");
  }

  auto written = write_message(content(), {.recipients = {"jo@example.org"}});
  REQUIRE(written);
  CHECK(recognise_openpgp(*written) == OpenPgpKind::Encrypted);
  CHECK((run("gpg -q --batch -d", *written) == content()));
  // Compressed content must not be compressed again.
  CHECK(written->size() > content().size());

  for (const char* how : {"", "-a", "-z 9", "--rfc4880 --cipher-algo 3DES", "-s"}) {
    INFO(how);
    Bytes message = run("gpg -q --batch -e -r jo@example.org " + std::string(how), content());
    auto read = read_message(message);
    CHECK(message_of(read.content.status).empty());
    CHECK((read.content.bytes == content()));
    CHECK(read.facts->complete);
    CHECK(read.facts->encrypted);
    CHECK(read.facts->recipients.size() == 1);
    CHECK(read.facts->signatures.size() == (std::string_view(how) == "-s" ? 1 : 0));
  }
}

TEST_CASE("an empty message is written and read", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  for (bool is_signed : {false, true}) {
    OpenPgpWriteOptions options;
    if (is_signed) options.signer = "jo@example.org";
    if (!is_signed) options.recipients = {"jo@example.org"};
    auto written = write_message({}, options);
    REQUIRE(written);
    auto read = read_message(*written);
    CHECK(message_of(read.content.status).empty());
    CHECK(read.content.bytes.empty());
  }
}

TEST_CASE("a passphrase encrypts, alone and beside a recipient", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  auto right = secret("correct horse");
  auto alone = write_message(content(), {.symmetric = true, .passphrase = right});
  REQUIRE(alone);
  std::string gpg = "gpg -q --batch --pinentry-mode loopback --passphrase 'correct horse' ";
  CHECK((run(gpg + "-d", *alone) == content()));
  CHECK((read_message(*alone, {.passphrase = right}).content.bytes == content()));

  auto both = write_message(
      content(), {.recipients = {"jo@example.org"}, .symmetric = true, .passphrase = right});
  REQUIRE(both);
  CHECK((read_message(*both).content.bytes == content()));

  auto theirs = read_message(run(gpg + "-c", content()), {.passphrase = right});
  CHECK((theirs.content.bytes == content()));
  CHECK(theirs.facts->recipients.empty());

  auto wrong = read_message(*alone, {.passphrase = secret("battery staple")});
  CHECK(wrong.content.bytes.empty());
  REQUIRE_FALSE(wrong.content.status);
  CHECK(wrong.content.status.error().code == Errc::Environment);
  CHECK(message_of(wrong.content.status) == "OpenPGP: bad passphrase");
}

TEST_CASE("signatures are made and checked", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Jo <jo@example.org>");
  std::string jo = GpgHome::fingerprint("jo@example.org");
  bool encrypt = GENERATE(true, false);
  OpenPgpWriteOptions options{.signer = jo};
  if (encrypt) options.recipients = {jo};
  auto written = write_message(content(), options);
  REQUIRE(written);
  CHECK((run("gpg -q --batch -d", *written) == content()));

  auto check = [&](const Bytes& message) {
    auto read = read_message(message);
    CHECK(message_of(read.content.status).empty());
    CHECK((read.content.bytes == content()));
    CHECK(read.facts->encrypted == encrypt);
    REQUIRE(read.facts->signatures.size() == 1);
    const auto& signature = read.facts->signatures[0];
    CHECK(signature.status == SignatureStatus::Good);
    CHECK(signature.fingerprint == jo);
    CHECK(signature.user_id == "Jo <jo@example.org>");
    CHECK(signature.created > 1'600'000'000);
    CHECK((signature.trust == "full" || signature.trust == "ultimate"));
  };
  check(*written);
  std::string gpg = "gpg -q --batch -s " + std::string(encrypt ? "-e -r " + jo : "");
  for (const char* how : {"", " -z 0", " -a"}) check(run(gpg + how, content()));
}

TEST_CASE("a signing key that gpg must unlock is unlocked first", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org", "future-default", "correct horse");
  GpgHome::command("gpgconf --kill gpg-agent");
  check_refused({.signer = "jo@example.org", .passphrase = secret("battery staple")},
                "signing: bad passphrase");
  auto written =
      write_message(content(), {.signer = "jo@example.org", .passphrase = secret("correct horse")});
  REQUIRE(written);
  CHECK((run("gpg -q --batch -d", *written) == content()));
}

TEST_CASE("keys of no use are named before anything is written", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  GpgHome::make_key("One <twin@example.org>");
  GpgHome::make_key("Two <twin@example.org>");
  GpgHome::make_key("late@example.org", "future-default", "", "seconds=1");
  GpgHome::make_key("sign@example.org", "ed25519");
  GpgHome::make_key("gone@example.org");
  std::string gone = GpgHome::fingerprint("gone@example.org");
  GpgHome::command("sed -i s/^:// $GNUPGHOME/openpgp-revocs.d/" + gone +
                   ".rev && gpg -q --batch --import $GNUPGHOME/openpgp-revocs.d/" + gone + ".rev");
  GpgHome::command("sleep 2");

  check_refused({.recipients = {"nobody@example.org"}}, "key 'nobody@example.org' is unknown");
  check_refused({.recipients = {"jo@example.org", "twin@example.org"}},
                "key 'twin@example.org' is ambiguous: 2 keys have that name");
  check_refused({.recipients = {"gone@example.org"}}, "key 'gone@example.org' is revoked");
  check_refused({.recipients = {"sign@example.org"}},
                "key 'sign@example.org' has no subkey to encrypt to");
  check_refused({.signer = "nobody"}, "key 'nobody' is not among the secret keys");
  auto late = write_message({}, {.recipients = {"late@example.org"}});
  REQUIRE_FALSE(late);
  CHECK(late.error().message.starts_with("key 'late@example.org' expired on 20"));
}

TEST_CASE("a stranger's key is taken by its fingerprint only", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("Jo <jo@example.org>");
  std::string jo = GpgHome::fingerprint("jo@example.org");
  Bytes key = run("gpg -q --batch --export", {});
  GpgHome other;
  run("gpg -q --batch --import", key);
  check_refused({.recipients = {"jo@example.org"}},
                "key 'jo@example.org' is not known to belong to the person named");
  auto written = write_message(content(), {.recipients = {jo}});
  REQUIRE(written);
  auto status = check_readable({.recipients = {jo}});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::Environment);

  auto read = read_message(*written);
  CHECK(read.content.bytes.empty());
  REQUIRE_FALSE(read.content.status);
  CHECK(read.content.status.error().code == Errc::Environment);
  CHECK(message_of(read.content.status).starts_with("OpenPGP: no secret key; encrypted to "));
}

TEST_CASE("a message that was cut or changed does not end well", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  for (bool encrypt : {true, false}) {
    OpenPgpWriteOptions options{.signer = "jo@example.org"};
    if (encrypt) options.recipients = {"jo@example.org"};
    auto written = write_message(content(), options);
    REQUIRE(written);
    size_t size = written->size();
    for (size_t length : {size - 1, size - 40, size - 400, size / 2, size_t{300}}) {
      INFO("cut to " << length);
      Bytes cut(written->begin(), written->begin() + static_cast<ptrdiff_t>(length));
      auto read = read_message(cut);
      // A signature that is missing is none: what the reader demands decides.
      bool unsigned_end = !encrypt && read.content.status && read.facts->signatures.empty();
      if (!unsigned_end) {
        REQUIRE_FALSE(read.content.status);
        CHECK(read.content.status.error().code == Errc::Malformed);
      }
    }
    for (size_t at : {size - 30, size - 2000, size / 2, size_t{1000}}) {
      INFO("changed at " << at);
      Bytes changed = *written;
      changed[at] ^= std::byte{0x10};
      auto read = read_message(changed);
      REQUIRE_FALSE(read.content.status);
      CHECK(read.content.status.error().code == Errc::Malformed);
    }
  }
}

TEST_CASE("what stands behind a signed message is damage", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  auto written = write_message(content(), {.signer = "jo@example.org"});
  REQUIRE(written);
  for (const Bytes& tail : {sample(2'000'003), Bytes(2'000'003)}) {
    Bytes longer = *written;
    longer.insert(longer.end(), tail.begin(), tail.end());
    auto read = read_message(longer);
    INFO(message_of(read.content.status));
    REQUIRE_FALSE(read.content.status);
    CHECK(read.content.status.error().code == Errc::Malformed);
  }
}

TEST_CASE("a gpg that dies while it reads is no damage of the message", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  auto written = write_message(content(), {.signer = "jo@example.org"});
  REQUIRE(written);
  OpenPgpReadOptions options{.limits = {.deadline = Clock::now() + 20s}};
  auto opened = open_openpgp(OpenPgpKind::Signed, make_memory_source(*written), options);
  REQUIRE(opened);
  REQUIRE(opened->content->next());
  pid_t gpg = find_own_gpg();
  REQUIRE(gpg > 0);
  ::kill(gpg, SIGKILL);
  auto read = drain(*opened->content);
  REQUIRE_FALSE(read.status);
  CHECK(read.status.error().code == Errc::Environment);
}

TEST_CASE("a demanded signer is the one who signed", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  GpgHome::make_key("al@example.org");
  auto jo = RequiredSigner::find("jo@example.org");
  REQUIRE(jo);
  auto facts_of = [](const OpenPgpWriteOptions& options) {
    auto written = write_message(content(), options);
    REQUIRE(written);
    return std::vector{read_message(*written).facts};
  };
  CHECK(jo->check(facts_of({.signer = "jo@example.org"})));
  CHECK(jo->check(facts_of({.recipients = {"al@example.org"}, .signer = "jo@example.org"})));

  auto other = jo->check(facts_of({.signer = "al@example.org"}));
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Errc::Refused);
  CHECK(other.error().message == "no good signature of key " + jo->fingerprint() +
                                     ": found signature of " +
                                     GpgHome::fingerprint("al@example.org") + " (good)");
  auto none = jo->check(facts_of({.recipients = {"al@example.org"}}));
  REQUIRE_FALSE(none);
  CHECK(none.error().message ==
        "no good signature of key " + jo->fingerprint() + ": found none at all");
  auto unknown = RequiredSigner::find("nobody");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Errc::Environment);
}

TEST_CASE("a look-up of a key ends with its limits", "[openpgp]") {
  GpgHome home;
  auto late = RequiredSigner::find("jo@example.org", {.deadline = Clock::now()});
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::TimedOut);
}

TEST_CASE("a signer whose key is not here is told, not refused", "[openpgp]") {
  Bytes message;
  {
    GpgHome home;
    GpgHome::make_key("jo@example.org");
    auto written = write_message(content(), {.signer = "jo@example.org"});
    REQUIRE(written);
    message = *written;
  }
  GpgHome empty;
  auto read = read_message(message);
  CHECK(message_of(read.content.status).empty());
  CHECK((read.content.bytes == content()));
  REQUIRE(read.facts->signatures.size() == 1);
  CHECK(read.facts->signatures[0].status == SignatureStatus::NoKey);
}

TEST_CASE("sinks and sources may go at any time", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  OpenPgpWriteOptions options{.recipients = {"jo@example.org"}};
  Bytes message;
  auto target = make_memory_sink(message);
  {
    auto sink = make_openpgp_sink(*target, options);
    REQUIRE(sink);
    REQUIRE((*sink)->write(content()));
  }
  auto written = write_message(content(), options);
  REQUIRE(written);
  CHECK(message.size() < written->size());
  auto opened = open_openpgp(OpenPgpKind::Encrypted, make_memory_source(*written));
  REQUIRE(opened);
  auto first = opened->content->next();
  REQUIRE(first);
  CHECK_FALSE(first->empty());
  CHECK_FALSE(opened->facts->complete);
}

TEST_CASE("limits end a wait for gpg", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  auto written = write_message(content(), {.recipients = {"jo@example.org"}});
  REQUIRE(written);
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  cancellation->request();
  OpenPgpReadOptions options{.limits = {.cancellation = &*cancellation}};
  auto read = read_message(*written, options);
  REQUIRE_FALSE(read.content.status);
  CHECK(read.content.status.error().code == Errc::Interrupted);
}

TEST_CASE("an error of the next stage comes out unchanged", "[openpgp]") {
  class FullSink final : public ByteSink {
   public:
    Status write(std::span<const std::byte>) override { return Error{Errc::Environment, "full"}; }
    Status finish() override { return ok(); }
  };
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  FullSink full;
  auto sink = make_openpgp_sink(full, {.recipients = {"jo@example.org"}});
  REQUIRE(sink);
  auto status = (*sink)->write(content());
  if (status) status = (*sink)->finish();
  CHECK(message_of(status) == "full");
}

TEST_CASE("a gpg that dies is noticed, its pipes full or empty", "[openpgp]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  bool full = GENERATE(true, false);
  Bytes message;
  auto target = make_memory_sink(message);
  auto sink = make_openpgp_sink(
      *target, {.recipients = {"jo@example.org"}, .limits = {.deadline = Clock::now() + 20s}});
  REQUIRE(sink);
  REQUIRE((*sink)->write(std::span(content()).first(1000)));
  pid_t gpg = find_gpg(GpgHome::fingerprint("jo@example.org"));
  REQUIRE(gpg > 0);
  if (full) {
    ::kill(gpg, SIGSTOP);
    GpgHome::command("(sleep 1; kill -KILL " + std::to_string(gpg) + ") & true");
    Status filled = ok();
    while (filled) filled = (*sink)->write(content());
    CHECK(filled.error().code == Errc::Environment);
  } else {
    ::kill(gpg, SIGKILL);
    auto ended = (*sink)->write(content());
    if (ended) ended = (*sink)->finish();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Errc::Environment);
  }
}
