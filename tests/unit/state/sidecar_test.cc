// SPDX-License-Identifier: MIT
#include <vmstream/indexing.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "state/index_tables.h"
#include "state/seekable_state.h"

#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

namespace fs = std::filesystem;

using Bytes = std::vector<std::byte>;

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

Bytes bytes_of(std::string_view text) {
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// A state file, and what may lie beside it already.
struct Fixture {
  Fixture() {
    write_file(path, stream);
    fresh = index("live");
  }

  Bytes content(const std::string& of) const {
    auto file = open_random_file(of);
    REQUIRE(file);
    Bytes bytes((*file)->length());
    REQUIRE((*file)->read_at(0, bytes));
    return bytes;
  }
  Bytes index(const std::string& mode = "stop") const {
    auto file = open_random_file(path);
    auto mark = FileMark::of(**file);
    REQUIRE(mark);
    StateIndex made = testing::index_of(stream);
    made.facts.capture.mode = mode;
    return *serialise(made, {.mark = &*mark});
  }
  void expect_refused(Overwrite overwrite) const {
    auto published = publish_sidecar(beside, fresh, overwrite);
    REQUIRE_FALSE(published);
    CHECK(published.error().code == Errc::Refused);
    CHECK(published.error().message == beside + " exists already and stays");
  }
  size_t file_count() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }

  testing::TempDir folder;
  std::string path = folder / "guest";
  std::string beside = sidecar_path(path);
  Bytes stream = testing::small_stream().bytes();
  Bytes fresh;  // another index of the file
};

TEST_CASE_METHOD(Fixture, "what is no index of a file gets no name as one", "[state]") {
  auto expect_usage = [&](const Bytes& bytes, const std::string& message) {
    auto published = publish_sidecar(beside, bytes, Overwrite::Refuse);
    REQUIRE_FALSE(published);
    CHECK(published.error().code == Errc::Usage);
    CHECK(published.error().message == message);
    CHECK(file_count() == 1);
  };
  expect_usage(bytes_of("precious"), "no index for a file: index: has 8 bytes, wanted 56 at least");
  expect_usage(*serialise(testing::index_of(stream)),
               "the index does not tell of which file it is");
}

TEST_CASE_METHOD(Fixture, "a sidecar gets a name that is free", "[state]") {
  REQUIRE(publish_sidecar(beside, fresh, Overwrite::Refuse));
  CHECK(content(beside) == fresh);
  CHECK((fs::status(beside).permissions() & fs::perms::mask) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(file_count() == 2);
}

TEST_CASE_METHOD(Fixture, "what has its name stays, whatever it is", "[state]") {
  write_file(folder / "precious", bytes_of("precious"));
  std::string target = GENERATE(as<std::string>(), "precious", "missing", "guest");
  for (Overwrite overwrite : {Overwrite::Refuse, Overwrite::Replace}) {
    fs::create_symlink(folder / target, beside);
    expect_refused(overwrite);
    CHECK(fs::is_symlink(beside));
    fs::remove(beside);
    fs::create_directory(beside);
    expect_refused(overwrite);
    fs::remove(beside);
    REQUIRE(::mkfifo(beside.c_str(), 0600) == 0);
    expect_refused(overwrite);
    fs::remove(beside);
    write_file(beside, bytes_of("precious"));
    expect_refused(overwrite);
    CHECK(content(beside) == bytes_of("precious"));
    fs::remove(beside);
  }
  CHECK(content(folder / "precious") == bytes_of("precious"));
  CHECK_FALSE(fs::exists(folder / "missing"));
  CHECK(content(path) == stream);
}

TEST_CASE_METHOD(Fixture, "an index is replaced where that is asked for, a link to one is not",
                 "[state]") {
  write_file(beside, index());
  expect_refused(Overwrite::Refuse);
  CHECK(content(beside) == index());
  REQUIRE(publish_sidecar(beside, fresh, Overwrite::Replace));
  CHECK(content(beside) == fresh);
  fs::remove(beside);
  write_file(folder / "elsewhere", index());
  fs::create_symlink(folder / "elsewhere", beside);
  expect_refused(Overwrite::Replace);
  CHECK(content(folder / "elsewhere") == index());
}

TEST_CASE_METHOD(Fixture, "an index of other content is stale, and nothing else is", "[state]") {
  CHECK_FALSE(has_stale_sidecar(path));
  write_file(beside, bytes_of("notes"));
  CHECK_FALSE(has_stale_sidecar(path));
  write_file(beside, index());
  CHECK_FALSE(has_stale_sidecar(path));
  stream.push_back(std::byte{0});
  write_file(path, stream);
  CHECK(has_stale_sidecar(path));
  CHECK_FALSE(has_stale_sidecar(folder / "nowhere"));
}

}  // namespace
}  // namespace vmstream
