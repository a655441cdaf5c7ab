// SPDX-License-Identifier: MIT
// State files inside OpenPGP messages, and signatures that are demanded of them.
#include "state/unwrapping.h"

#include <fstream>

#include "support/temp_dir.h"
#include "unit/crypto/openpgp_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

Bytes stream_bytes() {
  Bytes bytes = sample(300'000);
  std::memcpy(bytes.data(), "QEVM", 4);
  return bytes;
}

Bytes message(const Bytes& content, const OpenPgpWriteOptions& options) {
  auto written = write_message(content, options);
  REQUIRE(written);
  return *written;
}

OpenOptions demanding(const std::string& signer) {
  auto found = RequiredSigner::find(signer);
  REQUIRE(found);
  return {.required_signer = *found};
}

}  // namespace

TEST_CASE("messages and codings are unwrapped in any order", "[state]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  OpenPgpWriteOptions jo{.recipients = {"jo@example.org"}};
  Bytes stream = stream_bytes();
  Bytes usual = message(encode(Coding::Zstd, stream), jo);
  Bytes odd = encode(Coding::Gzip, message(message(stream, {.signer = "jo@example.org"}), jo));
  for (const Bytes& file : {usual, odd}) {
    auto state = unwrap(make_memory_source(file));
    REQUIRE(state);
    CHECK((drain(*state->plain).bytes == stream));
    CHECK(state->containers.back().type == "qevm");
  }
  auto state = unwrap(make_memory_source(odd));
  REQUIRE(state);
  REQUIRE(state->containers.size() == 4);
  CHECK(state->containers[0].type == "gzip");
  CHECK_FALSE(state->containers[0].openpgp);
  CHECK(state->containers[1].type == "openpgp");
  REQUIRE(state->containers[1].openpgp);
  drain(*state->plain);
  CHECK(state->containers[1].openpgp->complete);
  CHECK(state->containers[1].openpgp->recipients.size() == 1);
  CHECK(state->containers[2].openpgp->signatures.size() == 1);
}

TEST_CASE("a demanded signature decides at the stream's end", "[state]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  GpgHome::make_key("al@example.org");
  Bytes stream = stream_bytes();
  Bytes signed_file = message(encode(Coding::Zstd, stream),
                              {.recipients = {"al@example.org"}, .signer = "jo@example.org"});
  auto good = unwrap(make_memory_source(signed_file), demanding("jo@example.org"));
  REQUIRE(good);
  auto read = drain(*good->plain);
  CHECK(read.status);
  CHECK((read.bytes == stream));

  auto other = unwrap(make_memory_source(signed_file), demanding("al@example.org"));
  REQUIRE(other);
  read = drain(*other->plain);
  REQUIRE_FALSE(read.status);
  CHECK(read.status.error().code == Errc::Refused);
  CHECK(read.bytes.size() <= stream.size());

  Bytes bare = encode(Coding::Zstd, stream);
  auto none = unwrap(make_memory_source(bare), demanding("jo@example.org"));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::Refused);
}

TEST_CASE("where a signature is demanded nothing is read by position", "[state]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  TempDir folder;
  std::string path = folder / "guest";
  Bytes stream = stream_bytes();
  std::ofstream(path).write(reinterpret_cast<const char*>(stream.data()),
                            static_cast<std::streamsize>(stream.size()));
  REQUIRE(StateFile::open(path)->random());
  auto file = StateFile::open(path, demanding("jo@example.org"));
  REQUIRE(file);
  CHECK_FALSE(file->random());
  CHECK_FALSE(file->index());
  CHECK(file->stream().error().code == Errc::Refused);
}

TEST_CASE("gpg is not run where it must not be", "[state]") {
  GpgHome home;
  GpgHome::make_key("jo@example.org");
  Bytes file = encode(Coding::Gzip, message(stream_bytes(), {.signer = "jo@example.org"}));
  auto state = unwrap(make_memory_source(file), {.decrypt = false});
  REQUIRE_FALSE(state);
  CHECK(state.error().code == Errc::Unsupported);
  CHECK(state.error().message == "gzip holds an OpenPGP message, which is not to be decrypted");
}
