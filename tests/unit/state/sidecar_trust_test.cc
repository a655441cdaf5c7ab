// SPDX-License-Identifier: MIT
// A sidecar counts only where nobody wrote it who could not have written the file.
#include "state/sidecar_trust.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <vmstream/indexing.h>
#include <vmstream/state_file.h>
#include "support/catch.h"
#include "support/forged_index.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kStranger = 4711;

struct Fixture {
  testing::TempDir folder;
  std::string path = folder / "guest.vmsx";

  Fixture() { std::ofstream(path) << "index"; }

  std::string refusal(std::optional<uint32_t> owner = std::nullopt) {
    auto opened = open_sidecar(path, owner);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::Refused);
    return opened.error().message;
  }
  bool counts(std::optional<uint32_t> owner = std::nullopt) {
    auto opened = open_sidecar(path, owner);
    return opened && *opened && (*opened)->length() == 5;
  }
  void give_away() { REQUIRE(::chown(path.c_str(), kStranger, kStranger) == 0); }
};

bool is_root() {
  return ::geteuid() == 0;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "the reader's own sidecar counts", "[state]") {
  CHECK(counts());
  CHECK(counts(kStranger));
  SECTION("in a folder that all may write, too") {
    fs::permissions(folder / "", fs::perms::all);
    CHECK(counts());
  }
}

TEST_CASE_METHOD(Fixture, "no sidecar is no fault", "[state]") {
  ::unlink(path.c_str());
  auto none = open_sidecar(path, std::nullopt);
  REQUIRE(none);
  CHECK(*none == nullptr);
  auto long_name = open_sidecar(folder / std::string(300, 'x'), std::nullopt);
  REQUIRE(long_name);
  CHECK(*long_name == nullptr);
}

TEST_CASE_METHOD(Fixture, "one that others may write does not", "[state]") {
  for (mode_t mode : {0620u, 0602u, 0666u}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(refusal().find("others than its owner may write it") != std::string::npos);
  }
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  CHECK(counts());
}

TEST_CASE_METHOD(Fixture, "one of another user does not", "[state]") {
  if (!is_root()) return;  // only root can give a file away
  give_away();
  CHECK(refusal().find("it belongs to user 4711") != std::string::npos);
  CHECK(refusal(1234).find("it belongs to user 4711") != std::string::npos);
  CHECK(counts(kStranger));  // who owns the state file could have written that
}

TEST_CASE_METHOD(Fixture, "what is no regular file does not", "[state]") {
  std::string target = folder / "elsewhere";
  fs::rename(path, target);
  SECTION("a link") {
    fs::create_symlink(target, path);
    CHECK(refusal().find("it is a symbolic link") != std::string::npos);
  }
  SECTION("a link to nothing") {
    fs::create_symlink(folder / "nothing", path);
    CHECK(refusal().find("it is a symbolic link") != std::string::npos);
  }
  SECTION("a pipe that nobody writes") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(refusal().find("it is no regular file") != std::string::npos);
  }
  SECTION("a folder") {
    fs::create_directory(path);
    CHECK(refusal().find("it is no regular file") != std::string::npos);
  }
}

TEST_CASE("a sidecar that does not count is told of", "[state]") {
  testing::TempDir folder;
  std::string file = folder / "guest";
  auto stream = testing::small_stream().bytes();
  auto truth = testing::forgery_material(stream);
  REQUIRE(testing::write_with_index(file, stream, truth.index, testing::IndexHome::Sidecar));
  auto state = StateFile::open(file);
  REQUIRE((state && state->index()));
  CHECK_FALSE(state->index_fault());
  REQUIRE(::chmod(sidecar_path(file).c_str(), 0666) == 0);
  auto refusing = StateFile::open(file);
  REQUIRE(refusing);
  CHECK_FALSE(refusing->index());
  REQUIRE(refusing->index_fault());
  CHECK(refusing->index_fault()->code == Errc::Refused);
  if (!is_root()) return;
  REQUIRE(::chmod(sidecar_path(file).c_str(), 0600) == 0);
  REQUIRE(::chown(sidecar_path(file).c_str(), kStranger, kStranger) == 0);
  CHECK_FALSE(StateFile::open(file)->index());
  REQUIRE(::chown(file.c_str(), kStranger, kStranger) == 0);
  CHECK(StateFile::open(file)->index());
}

}  // namespace vmstream
