// SPDX-License-Identifier: MIT
// State files written by the library alone.
#include <vmstream/state_writer.h>

#include <filesystem>

#include <vmstream/state_file.h>
#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

Status write_all(StateWriter& writer, std::span<const std::byte> stream) {
  if (writer.wants_index()) writer.set_index(testing::index_of(stream));
  if (auto written = writer.entrance().write(stream); !written) return written;
  return writer.entrance().finish();
}

Bytes read_all(ByteSource& source) {
  Bytes all;
  for (;;) {
    auto piece = source.next();
    REQUIRE(piece);
    if (piece->empty()) return all;
    all.insert(all.end(), piece->begin(), piece->end());
  }
}

}  // namespace

TEST_CASE("a file has its name only once it is published, and reads back as it was", "[state]") {
  testing::TempDir folder;
  auto stream = testing::small_stream();
  auto coding = GENERATE(Coding::None, Coding::Gzip, Coding::Bzip2, Coding::Zstd);
  std::string path = folder / "guest";
  auto writer = StateWriter::create(path, Overwrite::Refuse, {.coding = coding, .digest = true});
  REQUIRE(writer);
  CHECK(writer->wants_index() == (coding == Coding::Gzip || coding == Coding::Zstd));
  REQUIRE(write_all(*writer, stream.bytes()));
  CHECK_FALSE(std::filesystem::exists(path));
  auto back = writer->read_back();
  REQUIRE(back);
  CHECK((read_all(**back->stream()) == stream.bytes()));
  REQUIRE(writer->publish());
  CHECK(std::filesystem::file_size(path) == writer->bytes_written());
  CHECK(writer->sha256().size() == 64);
  auto state = StateFile::open(path);
  REQUIRE(state);
  CHECK(bool(state->random()) == (coding != Coding::Bzip2));
  CHECK((state->index() != nullptr) == writer->wants_index());
}

TEST_CASE("a writer that is not published leaves nothing", "[state]") {
  testing::TempDir folder;
  std::string path = folder / "guest";
  {
    auto writer = StateWriter::create(path, Overwrite::Refuse);
    REQUIRE(writer);
    REQUIRE(write_all(*writer, testing::small_stream().bytes()));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("what is not finished, or has failed, gets no name", "[state]") {
  testing::TempDir folder;
  std::string path = folder / "guest";
  auto stream = testing::small_stream().bytes();
  auto expect_refused = [&](StateWriter& writer) {
    auto published = writer.publish();
    REQUIRE_FALSE(published);
    CHECK(published.error().code == Errc::Usage);
    CHECK_FALSE(std::filesystem::exists(path));
  };
  SECTION("nothing was written") {
    auto writer = StateWriter::create(path, Overwrite::Refuse);
    REQUIRE(writer);
    expect_refused(*writer);
  }
  SECTION("it was not finished") {
    auto writer = StateWriter::create(path, Overwrite::Refuse, {.coding = Coding::None});
    REQUIRE(writer);
    REQUIRE(writer->entrance().write(stream));
    expect_refused(*writer);
  }
  SECTION("it became too large") {
    auto writer =
        StateWriter::create(path, Overwrite::Refuse, {.coding = Coding::None, .most_bytes = 100});
    REQUIRE(writer);
    CHECK_FALSE(writer->entrance().write(stream));
    expect_refused(*writer);
  }
  SECTION("a filter failed") {
    auto writer = StateWriter::create(path, Overwrite::Refuse, {.filter = "cat; exit 3"});
    REQUIRE(writer);
    REQUIRE(writer->entrance().write(stream));
    CHECK_FALSE(writer->entrance().finish());
    expect_refused(*writer);
  }
  SECTION("twice finished is once too many") {
    auto writer = StateWriter::create(path, Overwrite::Refuse, {.coding = Coding::None});
    REQUIRE(writer);
    REQUIRE(write_all(*writer, stream));
    CHECK(writer->entrance().finish().error().code == Errc::Usage);
    CHECK(writer->publish());
  }
}

TEST_CASE("a file that has a place for an index is not finished without one", "[state]") {
  Bytes file;
  auto writer = StateWriter::create(make_memory_sink(file));
  REQUIRE(writer);
  REQUIRE(writer->entrance().write(testing::small_stream().bytes()));
  auto finished = writer->entrance().finish();
  REQUIRE_FALSE(finished);
  CHECK(finished.error().code == Errc::Usage);
  auto without = StateWriter::create(make_memory_sink(file), {.indexed = false});
  REQUIRE(without);
  CHECK_FALSE(without->wants_index());
  REQUIRE(without->entrance().write(testing::small_stream().bytes()));
  CHECK(without->entrance().finish());
}

TEST_CASE("one byte too many fails a file", "[state]") {
  auto stream = testing::small_stream();
  for (uint64_t most : {stream.size() - 1, stream.size()}) {
    Bytes file;
    auto writer =
        StateWriter::create(make_memory_sink(file), {.coding = Coding::None, .most_bytes = most});
    REQUIRE(writer);
    CHECK(bool(write_all(*writer, stream.bytes())) == (most == stream.size()));
  }
}

TEST_CASE("an index lies beside a file that has no place for it", "[state]") {
  testing::TempDir folder;
  std::string path = folder / "guest";
  auto stream = testing::small_stream();
  auto writer = StateWriter::create(path, Overwrite::Refuse, {.coding = Coding::None});
  REQUIRE(writer);
  REQUIRE(write_all(*writer, stream.bytes()));
  writer->set_index(testing::index_of(stream.bytes()));
  REQUIRE(writer->publish());
  REQUIRE(writer->leave_index_beside(Overwrite::Refuse));
  auto state = StateFile::open(path);
  REQUIRE(state);
  CHECK(state->index());
  CHECK_FALSE(writer->leave_index_beside(Overwrite::Refuse));  // it is there
  CHECK(writer->leave_index_beside(Overwrite::Replace));
}

TEST_CASE("a stream that goes elsewhere cannot be read back", "[state]") {
  Bytes file;
  auto writer = StateWriter::create(make_memory_sink(file), {.coding = Coding::None});
  REQUIRE(writer);
  REQUIRE(write_all(*writer, testing::small_stream().bytes()));
  CHECK(writer->file() == nullptr);
  CHECK(writer->publish());
  auto back = writer->read_back();
  REQUIRE_FALSE(back);
  CHECK(back.error().code == Errc::Unsupported);
}
