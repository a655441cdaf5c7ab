// SPDX-License-Identifier: MIT
#include <vmstream/byte_names.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

namespace {

struct Stretch {
  uint64_t offset;
  uint64_t length;
  Bytes bytes;
  std::string meaning;
};

std::vector<Stretch> name_bytes(const Bytes& stream, NamingOptions options = {}) {
  std::vector<Stretch> stretches;
  ByteNamer namer(
      [&](const NamedBytes& named) {
        stretches.push_back(
            {named.offset, named.length, {named.bytes.begin(), named.bytes.end()}, named.meaning});
        return ok();
      },
      options);
  auto source = make_memory_source(stream);
  auto scan = scan_stream(*source, namer);
  REQUIRE(namer.finish(scan));
  return stretches;
}

// Stretches follow each other and show what is in the stream.
void check(const std::vector<Stretch>& stretches, const Bytes& stream) {
  uint64_t position = 0;
  for (const Stretch& stretch : stretches) {
    REQUIRE(stretch.offset == position);
    REQUIRE(stretch.bytes.size() <= stretch.length);
    CHECK_FALSE(stretch.meaning.empty());
    CHECK(std::equal(stretch.bytes.begin(), stretch.bytes.end(),
                     stream.begin() + static_cast<ptrdiff_t>(position)));
    position += stretch.length;
  }
  CHECK(position == stream.size());
}

bool has(const std::vector<Stretch>& stretches, std::string_view meaning) {
  return std::ranges::any_of(stretches,
                             [&](const Stretch& stretch) { return stretch.meaning == meaning; });
}

}  // namespace

TEST_CASE("each byte of a stream has a name", "[analysis]") {
  auto stream = testing::small_stream().bytes();
  auto stretches = name_bytes(stream);
  check(stretches, stream);
  for (auto meaning : {"magic: QEVM", "machine type 'virt-7.2'", "pages of 2^10 bytes",
                       "idstr 'timer'", "data (buffer)", "end of the sections (EOF)"}) {
    INFO(meaning);
    CHECK(has(stretches, meaning));
  }
}

TEST_CASE("everything means every byte", "[analysis]") {
  auto stream = testing::small_stream().bytes();
  auto stretches = name_bytes(stream, {.everything = true});
  check(stretches, stream);
  for (const Stretch& stretch : stretches) CHECK(stretch.bytes.size() == stretch.length);
}

TEST_CASE("pages in a row are one stretch", "[analysis]") {
  StreamBuilder builder;
  builder.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8 * 4096}}).eos().footer().part(2);
  builder.page("pc.ram", 0, 1);
  for (uint64_t i = 1; i < 8; ++i) {
    i % 2 ? builder.fill_page("", i * 4096) : builder.page("", i * 4096, 2);
  }
  auto stream = builder.eos().footer().eof().bytes();
  auto stretches = name_bytes(stream);
  check(stretches, stream);
  CHECK(has(stretches, "7 more pages, 0x1000 to 0x7000: 3 data, 4 zero"));
}

TEST_CASE("commands, disk data and capabilities have names", "[analysis]") {
  StreamBuilder builder;
  builder.header().configuration("pc").capabilities({"x-ignore-shared"});
  builder.command(2, std::string("\0\0\0\1", 4));
  builder.start(1, "block").be64(7 << 9 | 1).counted("disk0").repeat(1 << 20, 0xdd);
  builder.be64(2).footer().eof().text("behind");
  auto stream = builder.bytes();
  auto stretches = name_bytes(stream);
  check(stretches, stream);
  for (auto meaning :
       {"capability 'x-ignore-shared'", "command 2: PING", "disk 'disk0'",
        "flags 0x01: device, sector 7", "disk data", "behind the end of the stream"}) {
    INFO(meaning);
    CHECK(has(stretches, meaning));
  }
}

TEST_CASE("records of versions 1 and 2 have names", "[analysis]") {
  StreamBuilder builder;
  builder.header(1).counted("cpu").be32(0).be32(4).be32(5).text("abcde");
  auto stream = builder.bytes();
  auto stretches = name_bytes(stream);
  check(stretches, stream);
  CHECK(has(stretches, "length of the body"));
}

TEST_CASE("a cut or damaged stream is named to its end", "[analysis]") {
  auto stream = testing::small_stream().bytes();
  for (size_t length = 8; length < stream.size(); length += 7) {
    INFO("cut at " << length);
    Bytes cut(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(length));
    check(name_bytes(cut), cut);
  }
  for (size_t place = 8; place < stream.size(); place += 5) {
    INFO("flipped at " << place);
    auto flipped = stream;
    flipped[place] ^= std::byte{0x41};
    uint64_t position = 0;
    for (const Stretch& stretch : name_bytes(flipped)) {
      REQUIRE(stretch.offset == position);
      position += stretch.length;
    }
    CHECK(position == stream.size());
  }
}

TEST_CASE("a section that cannot be read is named once", "[analysis]") {
  auto stream = StreamBuilder().header().start(2, "ram", 9).be64(0x10).bytes();
  check(name_bytes(stream), stream);
}

// The end is at hand when the body begins: the fault before it was looked past up to there.
TEST_CASE("a mapped-ram block that cannot be read is named once", "[analysis]") {
  StreamBuilder stream;
  stream.header().configuration("pc").capabilities({"mapped-ram"});
  stream.start(2, "ram", 4).be64(0x2000 | 0x004);
  stream.counted("a").be64(0x1000).be32(1).be64(4095).be64(0x1000).be64(0x2000).repeat(50, 1);
  auto stretches = name_bytes(stream.bytes());
  check(stretches, stream.bytes());
}

TEST_CASE("a body without a footer behind damage is named once", "[analysis]") {
  auto stream = StreamBuilder().header().be8(1).be32(7).be8(0xff).bytes();
  auto rest = StreamBuilder().start(3, "iterable").text("body").bytes();
  stream.insert(stream.end(), rest.begin(), rest.end());
  check(name_bytes(stream), stream);
}

TEST_CASE("only what overlaps the range is named", "[analysis]") {
  auto stream = testing::small_stream().bytes();
  auto stretches = name_bytes(stream, {.in_range = true, .first = 4, .length = 5});
  REQUIRE(stretches.size() == 2);
  CHECK(stretches[0].offset == 4);
  CHECK(stretches[1].offset == 8);
}
