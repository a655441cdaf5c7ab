// SPDX-License-Identifier: MIT
#include <vmstream/file_claim.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/catch.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

namespace fs = std::filesystem;

struct Fixture {
  Fixture() { std::ofstream(path) << "state"; }
  bool has(const std::string& suffix) const { return fs::exists(path + suffix); }
  void expect_refused(std::string_view text) const {
    auto claim = FileClaim::take(path);
    REQUIRE_FALSE(claim);
    CHECK(claim.error().code == Errc::Refused);
    CHECK(claim.error().message == text);
    CHECK_FALSE(claim.error().hint.empty());
  }

  testing::TempDir folder;
  std::string path = folder / "guest.zst";
};

constexpr std::string_view kClaimedText = "the file is claimed: it has become .restoring";
constexpr std::string_view kUsedText = "the file has been used: it has become .restored";

TEST_CASE_METHOD(Fixture, "a claimed file can be claimed by nobody else", "[io]") {
  auto claim = FileClaim::take(path);
  REQUIRE(claim);
  CHECK_FALSE(has(""));
  CHECK(claim->claimed_path() == path + ".restoring");
  CHECK(has(".restoring"));
  expect_refused(kClaimedText);
}

TEST_CASE_METHOD(Fixture, "a claim comes back by itself, or when asked", "[io]") {
  {
    auto claim = FileClaim::take(path);
    REQUIRE(claim);
  }
  CHECK(has(""));
  auto again = FileClaim::take(path);
  REQUIRE(again);
  REQUIRE(again->give_back());
  CHECK(has(""));
  CHECK_FALSE(has(".restoring"));
}

TEST_CASE_METHOD(Fixture, "a used file says so and is refused", "[io]") {
  {
    auto claim = FileClaim::take(path);
    REQUIRE(claim);
    REQUIRE(claim->use_up());
  }
  CHECK(has(".restored"));
  CHECK_FALSE(has(""));
  CHECK_FALSE(has(".restoring"));
  expect_refused(kUsedText);
}

TEST_CASE_METHOD(Fixture, "an abandoned claim stays until somebody decides", "[io]") {
  {
    auto claim = FileClaim::take(path);
    REQUIRE(claim);
    claim->abandon();
  }
  CHECK(has(".restoring"));
  expect_refused(kClaimedText);
  fs::rename(path + ".restoring", path);
  CHECK(FileClaim::take(path));
}

TEST_CASE_METHOD(Fixture, "a name that was used before is not used again", "[io]") {
  std::ofstream(path + ".restored") << "an earlier one";
  expect_refused(kUsedText);
  CHECK(has(""));
}

TEST_CASE_METHOD(Fixture, "giving back replaces nothing that turned up meanwhile", "[io]") {
  auto claim = FileClaim::take(path);
  REQUIRE(claim);
  std::ofstream(path) << "another";
  CHECK_FALSE(claim->give_back());
  CHECK(has(".restoring"));
  std::string text;
  std::ifstream(path) >> text;
  CHECK(text == "another");
}

TEST_CASE_METHOD(Fixture, "only a regular file that exists can be claimed", "[io]") {
  CHECK(FileClaim::take(folder.path()).error().code == Errc::Usage);
  CHECK(FileClaim::take(folder / "nowhere").error().code == Errc::Environment);
}

TEST_CASE_METHOD(Fixture, "the file of a claim is the one that was claimed", "[io]") {
  auto claim = FileClaim::take(path);
  REQUIRE(claim);
  std::ofstream(path + ".other") << "other";
  fs::rename(path + ".other", claim->claimed_path());
  auto file = claim->file();
  REQUIRE(file);
  std::string text(5, '?');
  REQUIRE(file->reader()->read_at(0, std::as_writable_bytes(std::span(text))));
  CHECK(text == "state");
}

}  // namespace
}  // namespace vmstream
