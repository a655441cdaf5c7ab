// SPDX-License-Identifier: MIT
#include <vmstream/file_claim.h>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

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
constexpr std::string_view kUsedName = "the file has been used: its name ends in .restored";

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

std::string refusal_of(const Result<FileShare>& share) {
  REQUIRE_FALSE(share);
  CHECK(share.error().code == Errc::Refused);
  return share.error().message;
}

std::string refusal_of(const Result<FileClaim>& claim) {
  REQUIRE_FALSE(claim);
  CHECK(claim.error().code == Errc::Refused);
  return claim.error().message;
}

void use(const std::string& path) {
  auto claim = FileClaim::take(path);
  REQUIRE(claim);
  REQUIRE(claim->use_up());
}

TEST_CASE_METHOD(Fixture, "a claim follows links to the file", "[io]") {
  std::string link = folder / "link";
  std::string other = folder / "other";
  fs::create_symlink("guest.zst", link);
  fs::create_symlink("link", other);
  {
    auto claim = FileClaim::take(other);
    REQUIRE(claim);
    CHECK(claim->claimed_path() == path + ".restoring");
    CHECK(refusal_of(FileShare::take(link)) == kClaimedText);
  }
  use(link);
  CHECK(has(".restored"));
  for (const std::string& name : {path, link, other}) {
    INFO(name);
    CHECK(refusal_of(FileClaim::take(name)) == kUsedText);
    CHECK(refusal_of(FileShare::take(name)) == kUsedText);
  }
  fs::create_symlink("guest.zst.restored", folder / "late");
  for (const std::string& name : {path + ".restored", folder / "late"}) {
    INFO(name);
    CHECK(refusal_of(FileClaim::take(name)) == kUsedName);
    CHECK(refusal_of(FileShare::take(name)) == kUsedName);
  }
}

TEST_CASE_METHOD(Fixture, "all names of a file are claimed together", "[io]") {
  fs::create_directory(folder / "elsewhere");
  std::string hard = folder / "elsewhere/hard";
  fs::create_hard_link(path, hard);
  {
    auto claim = FileClaim::take(path);
    REQUIRE(claim);
    CHECK(refusal_of(FileClaim::take(hard)) == "another restore is at work on the file");
    CHECK(refusal_of(FileShare::take(hard)) == "another restore is at work on the file");
  }
  CHECK(FileShare::take(hard));
  use(path);
  std::string text = "the file is claimed under another name, '" + path + "'";
  CHECK(refusal_of(FileClaim::take(hard)) == text);
  CHECK(refusal_of(FileShare::take(hard)) == text);
  fs::remove(path + ".restored");
  CHECK(refusal_of(FileShare::take(hard)) == text);
}

TEST_CASE_METHOD(Fixture, "a name that a used file gets later does not free it", "[io]") {
  use(path);
  fs::create_hard_link(path + ".restored", folder / "late");
  CHECK_FALSE(refusal_of(FileShare::take(folder / "late")).empty());
  fs::rename(folder / "late", folder / "renamed");
  CHECK_FALSE(refusal_of(FileShare::take(folder / "renamed")).empty());
}

TEST_CASE_METHOD(Fixture, "a file that is renamed back by hand is free again", "[io]") {
  use(path);
  fs::rename(path + ".restored", path);
  CHECK(FileShare::take(path));
  use(path);
}

TEST_CASE_METHOD(Fixture, "who shares a file keeps others from claiming it", "[io]") {
  {
    auto first = FileShare::take(path);
    auto second = FileShare::take(path);
    CHECK(first);
    CHECK(second);
    CHECK(refusal_of(FileClaim::take(path)) == "another restore is at work on the file");
    CHECK(has(""));
  }
  CHECK(FileClaim::take(path));
}

TEST_CASE_METHOD(Fixture, "what is no regular file is shared unseen", "[io]") {
  CHECK(FileShare::take("/dev/null"));
  CHECK(FileShare::take(folder.path()));
  auto nowhere = FileShare::take(folder / "nowhere");
  REQUIRE(nowhere);
  CHECK_FALSE(nowhere->holds_file());
  CHECK(nowhere->file().error().code == Errc::Usage);
  auto here = FileShare::take(path);
  REQUIRE(here);
  CHECK(here->file()->length() == 5);
}

TEST_CASE_METHOD(Fixture, "a claim that a killed process left can be taken over", "[io]") {
  CHECK(FileClaim::take_over(path).error().code == Errc::Usage);
  CHECK_FALSE(FileClaim::is_claimed_name(path));
  {
    auto claim = FileClaim::take(path);
    REQUIRE(claim);
    CHECK_FALSE(refusal_of(FileClaim::take_over(path + ".restoring")).empty());
    claim->abandon();
  }
  CHECK(FileClaim::is_claimed_name(path + ".restoring"));
  { CHECK(FileClaim::take_over(path + ".restoring")); }
  CHECK(has(".restoring"));
  auto claim = FileClaim::take_over(path + ".restoring");
  REQUIRE(claim);
  REQUIRE(claim->use_up());
  CHECK(has(".restored"));
}

// A file system without extended attributes.
TEST_CASE("where a file cannot be marked, several names are refused", "[io]") {
  testing::TempDir folder;
  if (::mount("ramfs", folder.path().c_str(), "ramfs", 0, nullptr) != 0) return;
  std::string path = folder / "f";
  std::ofstream(path) << "state";
  fs::create_hard_link(path, folder / "g");
  CHECK(refusal_of(FileClaim::take(path)).starts_with("the file has 2 names"));
  CHECK(FileShare::take(path));
  fs::remove(folder / "g");
  use(path);
  fs::create_hard_link(path + ".restored", folder / "late");
  CHECK(refusal_of(FileShare::take(folder / "late")) == kUsedText);
  CHECK(::umount(folder.path().c_str()) == 0);
}

TEST_CASE_METHOD(Fixture, "of those who race for a claim all but one are refused", "[io]") {
  constexpr int kRacers = 8;
  fs::create_symlink("guest.zst", folder / "link");
  fs::create_hard_link(path, folder / "hard");
  const std::vector<std::string> names{path, folder / "link", folder / "hard"};
  std::vector<int> outcomes(kRacers, -1);
  {
    std::vector<std::jthread> racers;
    for (size_t i = 0; i < kRacers; ++i) {
      racers.emplace_back([&, i] {
        auto claim = FileClaim::take(names[i % names.size()]);
        if (claim && claim->use_up()) outcomes[i] = 0;
        if (!claim && claim.error().code == Errc::Refused) outcomes[i] = 5;
      });
    }
  }
  CHECK(std::ranges::count(outcomes, 0) == 1);
  CHECK(std::ranges::count(outcomes, 5) == kRacers - 1);
}

}  // namespace
}  // namespace vmstream
