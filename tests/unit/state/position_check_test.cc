// SPDX-License-Identifier: MIT
// What is read by position is the stream, or it is told.
#include "state/index_comparison.h"

#include <vmstream/digest.h>
#include <vmstream/indexing.h>
#include <vmstream/state_file.h>

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <fstream>
#include <functional>

#include "codec/indexed_encoder.h"
#include "state/index_tables.h"
#include "support/catch.h"
#include "support/forged_index.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kPage = 4096;
constexpr uint64_t kPages = 800;  // more than three blocks

Bytes long_stream() {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", kPages * kPage}}).eos().footer();
  stream.part(2);
  for (uint64_t page = 0; page < kPages; ++page) {
    stream.page(page == 0 ? "pc.ram" : "", page * kPage, static_cast<uint8_t>(page));
  }
  return stream.eos().footer().end(2).eos().footer().eof().bytes();
}

std::optional<SeekableState> open_by_position(const std::string& path) {
  return open_seekable_state(std::move(*open_random_file(path)), {.sidecar = sidecar_path(path)});
}

bool leave_out(BlockTable& table, const PackedBlock& block) {
  return table.append_gap(block.packed_length);
}

struct Fixture {
  testing::TempDir folder;
  Bytes stream = long_stream();
  StateIndex index = testing::index_of(stream);

  void write(const std::string& path, const Bytes& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  std::vector<Problem> problems_of(const std::string& path) {
    auto state = open_by_position(path);
    REQUIRE(state);
    return check_positions(*state, facts());
  }
  StateFacts facts() const {
    Sha256 digest;
    digest.update(stream);
    StateFacts facts;
    facts.plain_bytes = stream.size();
    facts.sha256 = digest.finish();
    facts.complete = true;
    return facts;
  }
  // A gzip file whose table says something else of the second of its blocks.
  Bytes file_with(const std::function<bool(BlockTable&, const PackedBlock&)>& add_second) {
    auto fewer = [&](const BlockTable& blocks) {
      BlockTable table;
      for (size_t i = 0; i < blocks.size(); ++i) {
        PackedBlock block = blocks[i];
        bool added = i == 1 ? add_second(table, block)
                            : table.append(block.plain_length, block.packed_length, block.check);
        REQUIRE(added);
      }
      index.facts.plain_bytes = table.plain_length();
      return serialise(index, {.blocks = &table});
    };
    Bytes file;
    auto sink = make_memory_sink(file);
    auto encoder = make_indexed_encoder(Coding::Gzip, *sink, {.threads = 1}, fewer);
    REQUIRE(encoder);
    REQUIRE((*encoder)->write(stream));
    REQUIRE((*encoder)->finish());
    return file;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "positions of an honest file are right", "[state]") {
  for (std::string name : {"plain", "guest.zst", "guest.gz", "guest.bz2"}) {
    INFO(name);
    std::string path = folder / name;
    if (name != "guest.bz2") {  // which has no trailer
      REQUIRE(testing::write_with_index(path, stream, index, testing::IndexHome::Trailer));
      CHECK(problems_of(path).empty());
    }
    REQUIRE(testing::write_with_index(path, stream, index, testing::IndexHome::Sidecar));
    CHECK(problems_of(path).empty());
  }
}

TEST_CASE_METHOD(Fixture, "a table that leaves out a block is told of", "[state]") {
  std::string path = folder / "guest.gz";
  write(path, file_with(leave_out));
  auto state = open_by_position(path);
  REQUIRE((state && state->plain()));
  CHECK(state->plain()->length() < stream.size());  // and is believed by who reads by position
  auto problems = problems_of(path);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message.starts_with("index: piece 1 of the file is at"));
}

TEST_CASE_METHOD(Fixture, "a table with a wrong checksum is told of", "[state]") {
  std::string path = folder / "guest.gz";
  write(path, file_with([](BlockTable& table, const PackedBlock& block) {
          return table.append(block.plain_length, block.packed_length, block.check ^ 1);
        }));
  auto problems = problems_of(path);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message.starts_with("index: the checksum of piece 1 of the file is"));
}

TEST_CASE_METHOD(Fixture, "without a table the lengths of the pieces are compared", "[state]") {
  std::string path = folder / "guest.zst";
  Bytes packed;
  auto sink = make_memory_sink(packed);
  auto encoder = make_encoder(Coding::Zstd, *sink, {.threads = 1});
  REQUIRE(encoder);
  REQUIRE((*encoder)->write(stream));
  REQUIRE((*encoder)->finish());
  write(path, packed);
  CHECK(problems_of(path).empty());
  auto state = open_by_position(path);
  REQUIRE((state && state->plain()));
  StateFacts longer = facts();
  ++longer.plain_bytes;
  auto problems = check_positions(*state, longer);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].offset == stream.size());
  CHECK(problems[0].message == fmt::format("the pieces of the file say that they hold {} bytes, "
                                           "the stream has {}",
                                           stream.size(), longer.plain_bytes));
  longer.complete = false;
  CHECK(check_positions(*state, longer).empty());
}

TEST_CASE_METHOD(Fixture, "positions are sure only where no table is needed", "[state]") {
  auto is_sure = [](const std::string& path) {
    auto state = open_by_position(path);
    REQUIRE((state && state->plain()));
    return has_sure_positions(*state);
  };
  for (std::string name : {"plain", "guest.zst", "guest.gz"}) {
    INFO(name);
    std::string path = folder / name;
    REQUIRE(testing::write_with_index(path, stream, index, testing::IndexHome::Trailer));
    CHECK(is_sure(path));
  }
  std::string path = folder / "hidden.gz";
  auto small = testing::small_stream().bytes();
  REQUIRE(testing::write_hidden(path, stream, small));
  CHECK(open_by_position(path)->plain()->length() == small.size());
  CHECK_FALSE(is_sure(path));
  write(path, file_with(leave_out));
  CHECK_FALSE(is_sure(path));
}

TEST_CASE_METHOD(Fixture, "resume points are held against the stream", "[state]") {
  std::string path = folder / "foreign.gz";
  gzFile out = ::gzopen(path.c_str(), "wb");
  REQUIRE(::gzwrite(out, stream.data(), static_cast<unsigned>(stream.size())) > 0);
  REQUIRE(::gzclose(out) == Z_OK);
  auto made = StateFile::open(path)->make_index();
  REQUIRE(made);
  CHECK(made->by_position);
  write(sidecar_path(path), *made->bytes);
  ::chmod(sidecar_path(path).c_str(), 0600);
  CHECK(problems_of(path).empty());
  auto state = open_by_position(path);
  REQUIRE((state && state->plain()));
  CHECK_FALSE(has_sure_positions(*state));
  StateFacts wrong = facts();
  wrong.sha256 = std::string(64, '0');
  auto problems = check_positions(*state, wrong);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message.find("read by its positions the stream has SHA-256") !=
        std::string::npos);
}

}  // namespace vmstream
