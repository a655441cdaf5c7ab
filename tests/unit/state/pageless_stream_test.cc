// SPDX-License-Identifier: MIT
#include "state/pageless_stream.h"

#include "support/catch.h"
#include "support/read_all.h"
#include "support/state_files.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

using testing::index_of;
using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

constexpr size_t kPage = 4096;

Result<Bytes> without_pages(std::span<const std::byte> bytes, const PagelessOptions& options,
                            size_t piece = 1 << 16) {
  auto plain = make_random_memory(bytes);
  auto index = std::make_shared<const StateIndex>(index_of(bytes));
  auto source = make_pageless_source(*plain, std::move(index), options);
  if (!source) return source.error();
  return testing::read_all(**source, piece);
}

StreamBuilder begin() {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-10.0").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 8 * kPage}, {"vga", 2 * kPage}});
  return std::move(stream.eos().footer());
}

StreamBuilder& end(StreamBuilder& stream) {
  return stream.device(0, "timer", "tick").eof();
}

// Two passes over both blocks, a device and a command between them.
StreamBuilder live_save() {
  StreamBuilder stream = begin();
  stream.part(2).page("pc.ram", 0, 1).page("vga", 0, 9).page("pc.ram", kPage, 2).eos().footer();
  stream.device(1, "early", "abcd").command(11);
  stream.part(2).page("vga", 0, 8).page("pc.ram", 0, 3).eos().footer();
  stream.end(2).fill_page("vga", kPage).eos().footer();
  return std::move(end(stream));
}

}  // namespace

TEST_CASE("pages of the blocks that are left out do not come, all else does", "[pageless]") {
  auto bytes = without_pages(live_save().bytes(), {.left_out = {"pc.ram"}}, GENERATE(1u, 65536u));
  REQUIRE(bytes);
  StreamBuilder wanted = begin();
  wanted.part(2).page("vga", 0, 8).fill_page("", kPage).eos().footer();
  wanted.device(1, "early", "abcd").command(11).end(2).eos().footer();
  CHECK(*bytes == end(wanted).bytes());
}

TEST_CASE("with all blocks left out no page comes", "[pageless]") {
  auto bytes = without_pages(live_save().bytes(), {.left_out = {"vga", "pc.ram"}});
  REQUIRE(bytes);
  StreamBuilder wanted = begin();
  wanted.device(1, "early", "abcd").command(11).end(2).eos().footer();
  CHECK(*bytes == end(wanted).bytes());
}

TEST_CASE("a stream that is cut ends with a byte that is no section", "[pageless]") {
  StreamBuilder stream = begin();
  stream.end(2).page("pc.ram", 0, 1).eos().footer();
  stream.device(3, "timer", "tick").eof().vmdesc(testing::make_vmdesc({{"timer", 4}}));
  auto bytes = without_pages(stream.bytes(), {.left_out = {"pc.ram"}, .is_cut = true});
  REQUIRE(bytes);
  StreamBuilder wanted = begin();
  wanted.end(2).eos().footer().device(3, "timer", "tick").be8(0x55);
  CHECK(*bytes == wanted.bytes());
}

TEST_CASE("a mapped-ram stream loses its places", "[pageless]") {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-10.0").capabilities({"mapped-ram"});
  stream.start(2, "ram", 4).be64((6 * kPage) | 4);
  stream.mapped_block("pc.ram", {0, 7, 8, 0}).mapped_block("vga", {9, 0}).eos().footer();
  stream.part(2).eos().footer().end(2).eos().footer();
  auto bytes = without_pages(end(stream).bytes(), {.left_out = {"pc.ram"}});
  REQUIRE(bytes);
  StreamBuilder wanted;
  wanted.header().configuration("pc-q35-10.0").start(2, "ram", 4);
  wanted.ram_blocks({{"pc.ram", 4 * kPage}, {"vga", 2 * kPage}}).eos().footer();
  wanted.part(2).page("vga", 0, 9).fill_page("", kPage).eos().footer().end(2).eos().footer();
  CHECK(*bytes == end(wanted).bytes());
}

TEST_CASE("of a postcopy stream the devices come behind the memory", "[pageless]") {
  auto stream = testing::postcopy_stream();
  auto bytes = without_pages(stream.bytes(), {.left_out = {"pc.ram"}});
  REQUIRE(bytes);
  auto index = index_of(*bytes);
  CHECK(index.facts.complete);
  CHECK_FALSE(index.facts.postcopy);
  CHECK(index.facts.problems == 0);
  bool memory_ended = false;
  for (const IndexedRecord& record : *index.records) {
    if (record.idstr == "ram" && record.type == SectionType::End) memory_ended = true;
    if (record.type == SectionType::Full) CHECK(memory_ended);
    CHECK(record.type != SectionType::Command);
  }
  CHECK(memory_ended);
}

TEST_CASE("streams that cannot be given without pages", "[pageless]") {
  SECTION("incomplete") {
    auto stream = live_save();
    auto plain = make_random_memory(stream.bytes());
    auto index = index_of(stream.bytes());
    index.facts.complete = false;
    auto refused = make_pageless_source(*plain, std::make_shared<StateIndex>(std::move(index)), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::Truncated);
  }
  SECTION("an index of another stream") {
    auto stream = live_save();
    auto index = index_of(stream.bytes());
    for (IndexedRecord& record : *index.records) {
      if (record.idstr == "timer") record.idstr = "other";
    }
    auto plain = make_random_memory(stream.bytes());
    auto source = make_pageless_source(*plain, std::make_shared<StateIndex>(std::move(index)), {});
    REQUIRE(source);
    auto bytes = testing::read_all(**source, 1 << 16);
    REQUIRE_FALSE(bytes);
    CHECK(bytes.error().code == Errc::Malformed);
  }
}

}  // namespace vmstream
