// SPDX-License-Identifier: MIT
#include <vmstream/state_file.h>

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include <vmstream/indexing.h>
#include "support/catch.h"
#include "support/forged_index.h"
#include "support/read_all.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using testing::IndexHome;
using testing::pack;
using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

constexpr size_t kPage = 4096;

// Pages of 1 and 2, and something behind them.
StreamBuilder two_pages() {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 2 * kPage}}).eos().footer();
  stream.end(2).page("pc.ram", 0, 1).page("", kPage, 2).eos().footer();
  return std::move(stream.device(3, "timer", "tick").eof());
}

StreamBuilder mapped_pages() {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-10.0").capabilities({"mapped-ram"});
  stream.start(2, "ram", 4).be64((2 * kPage) | 4).mapped_block("pc.ram", {1, 2}).eos().footer();
  stream.end(2).eos().footer();
  return std::move(stream.device(3, "timer", "tick").eof());
}

struct Fixture {
  void write(const Bytes& content) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
  }
  StateFile open(const Bytes& content, OpenOptions options = {}) const {
    write(content);
    auto file = StateFile::open(path, std::move(options));
    REQUIRE(file);
    return std::move(*file);
  }
  static Bytes read(Result<std::unique_ptr<ByteSource>> stream) {
    REQUIRE(stream);
    auto bytes = testing::read_all(**stream, kPage);
    REQUIRE(bytes);
    return *bytes;
  }
  static std::byte page_byte(StateFile& file, uint64_t page) {
    auto image = file.ram();
    REQUIRE(image);
    Bytes content(kPage);
    REQUIRE(image->read(0, page, content));
    return content[5];
  }
  static std::string types_of(const StateFile& file) {
    std::string types;
    for (const Container& container : file.containers()) types += container.type + " ";
    return types;
  }

  testing::TempDir folder;
  std::string path = folder / "guest";
};

TEST_CASE_METHOD(Fixture, "a file gives its stream as often as it is asked", "[state]") {
  Bytes stream = two_pages().bytes();
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Bzip2, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    StateFile file = open(pack(coding, stream));
    CHECK(file.can_be_reread());
    CHECK(file.containers().empty());
    CHECK(read(file.stream()) == stream);
    CHECK(read(file.piped_stream()) == stream);
    CHECK(file.containers().back().type == "qevm");
  }
}

TEST_CASE_METHOD(Fixture, "what is no file gives its stream once", "[state]") {
  Bytes stream = two_pages().bytes();
  auto pipe = StateFile::open({.stream = make_memory_source(stream)});
  CHECK_FALSE(pipe.can_be_reread());
  CHECK(pipe.random().error().code == Errc::Unsupported);
  CHECK_FALSE(pipe.index());
  CHECK_FALSE(pipe.again());
  CHECK(pipe.make_index().error().code == Errc::Unsupported);
  CHECK(pipe.prove([](ByteSource&) { return ok(); }).error().code == Errc::Usage);
  CHECK(read(pipe.stream()) == stream);
  CHECK(types_of(pipe) == "qevm ");
  CHECK(pipe.stream().error().code == Errc::Usage);
}

TEST_CASE_METHOD(Fixture, "opening fails for what cannot be opened", "[state]") {
  CHECK(StateFile::open(folder / "nowhere").error().code == Errc::Environment);
  CHECK_FALSE(StateFile::open(folder.path()));
  StateFile text = open(Bytes(1000, std::byte{'.'}));
  CHECK(text.stream().error().code == Errc::Malformed);
  CHECK(open({}).stream().error().code == Errc::Truncated);
}

TEST_CASE_METHOD(Fixture, "a filter sees the file's own bytes", "[state]") {
  Bytes packed = pack(Coding::Zstd, two_pages().bytes());
  StateFile file = open(packed);
  Bytes seen;
  auto stream = file.stream([&](std::unique_ptr<ByteSource> bytes) {
    seen = *testing::read_all(*bytes, kPage);
    return make_memory_source(seen);
  });
  CHECK(read(std::move(stream)) == two_pages().bytes());
  CHECK(seen == packed);
}

TEST_CASE_METHOD(Fixture, "memory is read by the index, which is made where there is none",
                 "[state]") {
  Bytes stream = two_pages().bytes();
  size_t made = 0;
  IndexingObserver observer{.on_begin = [&](const std::string&) { ++made; }};
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    made = 0;
    StateFile file = open(pack(coding, stream));
    REQUIRE(file.page_index(observer));
    REQUIRE(file.page_index(observer));
    CHECK(made == 1);
    CHECK(page_byte(file, 1) == std::byte{2});
    CHECK_FALSE(file.new_sidecar());
  }
  made = 0;
  REQUIRE(testing::write_with_index(path, stream, testing::index_of(stream), IndexHome::Sidecar));
  auto file = StateFile::open(path);
  REQUIRE((file && file->page_index(observer)));
  CHECK(made == 0);
  CHECK(page_byte(*file, 0) == std::byte{1});
}

TEST_CASE_METHOD(Fixture, "what cannot be read by position has no memory", "[state]") {
  Bytes stream = two_pages().bytes();
  for (const Bytes& packed :
       {pack(Coding::Bzip2, stream), pack(Coding::Gzip, pack(Coding::Zstd, stream))}) {
    StateFile file = open(packed);
    CHECK(file.random().error().code == Errc::Unsupported);
    CHECK(file.ram().error().code == Errc::Unsupported);
    CHECK(read(file.stream()) == stream);
  }
}

TEST_CASE_METHOD(Fixture, "an index that was made is the file's from then on", "[state]") {
  Bytes stream = two_pages().bytes();
  std::string packed = folder / "guest.zst";
  auto truth = testing::forgery_material(stream);
  StateIndex lie = truth.index;
  REQUIRE(testing::find_forgery("drop-data")->apply(lie, truth));
  REQUIRE(testing::write_with_index(packed, stream, lie, IndexHome::Trailer));
  auto file = StateFile::open(packed);
  REQUIRE(file);
  StateIndex scanned = testing::index_of(stream);
  CHECK_FALSE(file->check_index(scanned).empty());
  auto made = file->make_index();
  REQUIRE(made);
  CHECK(made->by_position);
  CHECK(*made->index->pages->find(0, 1) == *scanned.pages->find(0, 1));
  CHECK(page_byte(*file, 0) == std::byte{1});
  CHECK(page_byte(*file, 1) == std::byte{2});
  CHECK(file->check_index(scanned).empty());
  auto other = file->again();
  REQUIRE(other);
  CHECK(page_byte(*other, 1) == std::byte{2});
}

TEST_CASE_METHOD(Fixture, "what was given by position stays valid", "[state]") {
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    StateFile file = open(pack(coding, two_pages().bytes()));
    auto plain = file.random();
    REQUIRE(plain);
    auto image = file.ram();
    REQUIRE(image);
    REQUIRE(file.make_index());
    REQUIRE(file.prove([](ByteSource& stream) -> Status {
      auto all = testing::read_all(stream, kPage);
      return all ? ok() : Status(all.error());
    }));
    Bytes content(kPage);
    CHECK((*plain)->read_at(0, std::span(content).first(100)));
    CHECK(image->read(0, 1, content));
  }
}

TEST_CASE_METHOD(Fixture, "whoever judges or indexes reads all of it", "[state]") {
  StateFile file = open(two_pages().bytes());
  auto lazy = file.prove([](ByteSource& stream) -> Status {
    auto some = stream.next();
    return some ? ok() : Status(some.error());
  });
  REQUIRE_FALSE(lazy);
  CHECK(lazy.error().code == Errc::Usage);
  auto made = file.make_index({.read = [](ByteSource&) -> Result<StateIndex> {
    return testing::index_of(two_pages().bytes());
  }});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Errc::Usage);
  CHECK(file.prove({}).error().code == Errc::Usage);
  CHECK(read(file.stream()) == two_pages().bytes());
}

TEST_CASE_METHOD(Fixture, "what was proved once is proved for every later reading", "[state]") {
  auto judge = [](ByteSource& stream) -> Status {
    auto all = testing::read_all(stream, kPage);
    return all ? ok() : Status(all.error());
  };
  bool mapped = GENERATE(false, true);
  Bytes content = mapped ? mapped_pages().bytes() : two_pages().bytes();
  StateFile file = open(content);
  bool by_index = GENERATE(false, true);
  if (by_index) {
    REQUIRE(file.make_index({.prove = true}));
  } else {
    REQUIRE(file.prove(judge));
  }
  content[content.size() - 12] ^= std::byte{1};
  write(content);
  CHECK_FALSE(file.make_index({.prove = true}));
  CHECK_FALSE(file.make_index());
  CHECK_FALSE(file.prove(judge));
}

TEST_CASE_METHOD(Fixture, "an index without positions is none to read by", "[state]") {
  bool nested = GENERATE(false, true);
  Bytes inner = nested ? pack(Coding::Zstd, two_pages().bytes()) : two_pages().bytes();
  StateFile file = open(pack(nested ? Coding::Gzip : Coding::Bzip2, inner));
  auto made = file.make_index();
  REQUIRE(made);
  CHECK_FALSE(made->by_position);
  size_t begun = 0;
  IndexingObserver observer{.on_begin = [&](const std::string&) { ++begun; }};
  CHECK(file.page_index(observer).error().code == Errc::Unsupported);
  CHECK(file.page_index(observer).error().code == Errc::Unsupported);
  CHECK(begun == 0);  // it is known before
  CHECK_FALSE(file.make_index({.prove = true}));
  CHECK(read(file.stream()) == two_pages().bytes());
}

TEST_CASE_METHOD(Fixture, "why a file cannot be read by position is said", "[state]") {
  CHECK(open({}).random().error().code == Errc::Truncated);
  CHECK(open(Bytes(1000, std::byte{'.'})).random().error().code == Errc::Malformed);
  auto pipe = StateFile::open({.stream = make_memory_source({})});
  CHECK(pipe.random().error().message == "the file cannot be read by position: it is no file");
}

TEST_CASE_METHOD(Fixture, "a mapped-ram file that is no file has no form for pipes", "[state]") {
  Bytes content = mapped_pages().bytes();
  auto pipe = StateFile::open({.stream = make_memory_source(content)});
  auto stream = pipe.piped_stream();
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code == Errc::Unsupported);
  CHECK(stream.error().message == "a mapped-ram stream must be read by position");
}

TEST_CASE_METHOD(Fixture, "a mapped-ram file has a form for pipes", "[state]") {
  StateFile file = open(mapped_pages().bytes());
  CHECK(file.is_mapped_ram());
  CHECK(read(file.stream()) == mapped_pages().bytes());
  Bytes piped = read(file.piped_stream());
  CHECK(piped.size() < mapped_pages().size());
  CHECK(page_byte(file, 1) == std::byte{2});
  CHECK_FALSE(open(piped).is_mapped_ram());
}

TEST_CASE_METHOD(Fixture, "what was proved is what is given", "[state]") {
  bool mapped = GENERATE(false, true);
  Bytes content = mapped ? mapped_pages().bytes() : pack(Coding::Zstd, two_pages().bytes());
  StateFile file = open(content);
  auto judge = [](ByteSource& stream) -> Status {
    auto all = testing::read_all(stream, kPage);
    if (!all) return all.error();
    return ok();
  };
  SECTION("nothing where the judge refuses") {
    auto refused = file.prove([](ByteSource&) { return Status(Error{Errc::Refused, "no"}); });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::Refused);
  }
  SECTION("the same stream again") {
    Bytes piped = read(file.piped_stream());
    REQUIRE(file.prove(judge));
    CHECK(read(file.piped_stream()) == piped);
    CHECK(read(file.stream()).size() == (mapped ? content.size() : piped.size()));
    if (!mapped) CHECK_FALSE(file.random());
  }
  SECTION("no byte of a change") {
    REQUIRE(file.prove(judge));
    content[content.size() - 12] ^= std::byte{1};
    write(content);
    auto stream = file.piped_stream();
    bool refused = !stream || !testing::read_all(**stream, kPage);
    CHECK(refused);
  }
}

}  // namespace
}  // namespace vmstream
