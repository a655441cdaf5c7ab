// SPDX-License-Identifier: MIT
#include "state/seekable_state.h"

#include <array>
#include <fstream>

#include <vmstream/codec.h>
#include "codec/random_decoder.h"
#include "state/index_tables.h"
#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

namespace vmstream {
namespace {

using testing::pack;

using Bytes = std::vector<std::byte>;

// A stream of some MiB: several blocks in every coding.
Bytes some_stream(uint64_t pages = 1024) {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 4 << 20}}).eos().footer().part(2);
  for (uint64_t i = 0; i < pages; ++i) {
    stream.page("pc.ram", i * 4096, static_cast<uint8_t>(i * 7));
  }
  return stream.eos().footer().end(2).eos().footer().eof().bytes();
}

struct Fixture {
  std::optional<SeekableState> open(const Bytes& content) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    return open_seekable_state(std::move(*open_random_file(path)));
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

// A zstd file that holds more than its stream: a frame within a frame that is skipped, in which one
// page has another byte. Only a table of blocks leads there.
struct TwoTruths {
  static constexpr size_t kCut = 400'000;  // of the stream, into two frames
  static constexpr size_t kSkippableHead = 8;

  TwoTruths() {
    auto front = std::span(plain).first(kCut);
    auto back = std::span(plain).subspan(kCut);
    Bytes other(back.begin(), back.end());
    other[kOffset] ^= std::byte{1};
    auto first = add(front);
    auto hidden = frame(other);
    add_le32(0x184d2a50);
    add_le32(hidden.size());
    file.insert(file.end(), hidden.begin(), hidden.end());
    auto last = add(back);
    REQUIRE(table.append(kCut, static_cast<uint32_t>(first)));
    REQUIRE(table.append_gap(kSkippableHead));
    REQUIRE(
        table.append(static_cast<uint32_t>(other.size()), static_cast<uint32_t>(hidden.size())));
    REQUIRE(table.append_gap(last));
  }
  // One frame, without what stands behind it in a file of its own.
  static Bytes frame(std::span<const std::byte> part) {
    Bytes packed = pack(Coding::Zstd, part);
    auto blocks = find_blocks(Coding::Zstd, *make_random_memory(packed));
    REQUIRE(blocks);
    REQUIRE((*blocks)->size() == 1);
    packed.resize((**blocks)[0].packed_length);
    return packed;
  }
  size_t add(std::span<const std::byte> part) {
    auto packed = frame(part);
    file.insert(file.end(), packed.begin(), packed.end());
    return packed.size();
  }
  void add_le32(uint64_t value) {
    for (int i = 0; i < 4; ++i) file.push_back(static_cast<std::byte>(value >> 8 * i & 0xff));
  }
  std::byte seen_by(const SeekableState& state) const {
    std::array<std::byte, 1> one{};
    REQUIRE(state.plain());
    REQUIRE(state.plain()->read_at(kCut + kOffset, one));
    return one[0];
  }

  static constexpr size_t kOffset = 100'000;
  Bytes plain = some_stream(200);
  Bytes file;
  BlockTable table;
};

TEST_CASE_METHOD(TwoTruths, "a table that leads elsewhere is believed where nothing was proved",
                 "[state]") {
  StateIndex index = testing::index_of(plain);
  auto lying = serialise(index, {.blocks = &table});
  REQUIRE(lying);
  SeekableOptions how{.index = std::make_shared<const Bytes>(*lying)};
  std::byte truth = plain[kCut + kOffset];

  auto state = open_seekable_state(make_random_memory(file), how);
  REQUIRE(state);
  CHECK(seen_by(*state) != truth);

  SECTION("an index made of the file itself takes its place") {
    auto blocks = find_blocks(Coding::Zstd, *make_random_memory(file));
    REQUIRE((blocks && *blocks));
    how.index = std::make_shared<const Bytes>(*serialise(index, {.blocks = &**blocks}));
    auto proved = open_seekable_state(make_random_memory(file), how);
    REQUIRE(proved);
    CHECK(seen_by(*proved) == truth);
  }
  SECTION("digests of the stream let nothing else through") {
    auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::Stream);
    REQUIRE(digests->append(plain));
    REQUIRE(digests->seal());
    how.digests = digests;
    auto proved = open_seekable_state(make_random_memory(file), how);
    REQUIRE(proved);
    Bytes part(100);
    CHECK(proved->plain()->read_at(0, part));
    auto got = proved->plain()->read_at(kCut + kOffset, part);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Errc::Malformed);
  }
}

}  // namespace
}  // namespace vmstream
