// SPDX-License-Identifier: MIT
#include <vmstream/seekable_state.h>

#include <fstream>

#include <vmstream/codec.h>

#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using testing::pack;

using Bytes = std::vector<std::byte>;

// A stream of some MiB: several blocks in every coding.
Bytes some_stream() {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 4 << 20}}).eos().footer().part(2);
  for (uint64_t i = 0; i < 1024; ++i) {
    stream.page("pc.ram", i * 4096, static_cast<uint8_t>(i * 7));
  }
  return stream.eos().footer().end(2).eos().footer().eof().bytes();
}

struct Fixture {
  std::optional<SeekableState> open(const Bytes& content) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    return open_seekable_state(path);
  }
  testing::TempDir folder;
  std::string path = folder / "guest";
};

TEST_CASE_METHOD(Fixture, "the stream of our files can be read at any place", "[state]") {
  Bytes plain = some_stream();
  for (Coding coding : {Coding::None, Coding::Gzip, Coding::Zstd}) {
    INFO(traits_of(coding).name);
    auto state = open(pack(coding, plain));
    REQUIRE(state);
    CHECK(state->containers.back().type == "qevm");
    CHECK(state->containers.size() == (coding == Coding::None ? 1 : 2));
    REQUIRE(state->plain()->length() == plain.size());
    for (size_t at : {size_t{0}, size_t{1} << 20, (size_t{1} << 20) - 3, plain.size() - 100}) {
      Bytes part(100);
      REQUIRE(state->plain()->read_at(at, part));
      CHECK(std::equal(part.begin(), part.end(), plain.begin() + static_cast<ptrdiff_t>(at)));
    }
  }
}

TEST_CASE_METHOD(Fixture, "what cannot be read by position is left to the other way", "[state]") {
  Bytes plain = some_stream();
  CHECK_FALSE(open(pack(Coding::Gzip, pack(Coding::Zstd, plain))));  // one within the other
  CHECK_FALSE(open(pack(Coding::Zstd, Bytes(5000))));                // no stream inside
  CHECK_FALSE(open({}));
  CHECK_FALSE(open_seekable_state(folder.path()));
  CHECK_FALSE(open_seekable_state(folder / "nowhere"));
}

TEST_CASE_METHOD(Fixture, "a damaged block is an error of its place only", "[state]") {
  Bytes packed = pack(Coding::Zstd, some_stream());
  packed[packed.size() / 2] ^= std::byte{1};
  auto state = open(packed);
  REQUIRE(state);
  size_t failed = 0;
  for (uint64_t at = 0; at + 4096 < state->plain()->length(); at += 1 << 20) {
    Bytes part(4096);
    if (!state->plain()->read_at(at, part)) ++failed;
  }
  CHECK(failed == 1);
}

}  // namespace
}  // namespace vmstream
