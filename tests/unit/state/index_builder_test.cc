// SPDX-License-Identifier: MIT
#include <vmstream/indexing.h>

#include <vmstream/byte_source.h>
#include <vmstream/parser.h>

#include "support/catch.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

using testing::StreamBuilder;

StateIndex index_of(std::span<const std::byte> bytes, IndexLimits limits = {},
                    bool complete = true) {
  IndexBuilder builder(limits);
  StreamParser parser(builder, {}, {.resume = !complete});
  auto fed = parser.feed(bytes);
  auto finished = parser.finish();
  CHECK(static_cast<bool>(fed && finished) == complete);
  return builder.finish(bytes.size(), parser.stream_length(), complete);
}

// A guest of two blocks whose RAM comes in START, PART and END.
StreamBuilder two_blocks() {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 0x8000}, {"vga", 0x2000}}).eos().footer();
  return stream;
}

TEST_CASE("the index tells what a stream is", "[state]") {
  StreamBuilder stream = testing::small_stream();
  StateIndex index = index_of(stream.bytes());
  CHECK(index.facts.complete);
  CHECK(index.facts.plain_bytes == stream.size());
  CHECK(index.facts.stream_bytes == stream.size());
  CHECK(index.facts.stream_version == 3);
  CHECK(index.facts.target_page_size == 1024);
  CHECK(index.facts.ram_version == 4);
  CHECK_FALSE(index.facts.machine.empty());
  CHECK(index.facts.left_out.empty());
}

TEST_CASE("records follow each other from the header to the end", "[state]") {
  StreamBuilder stream = testing::small_stream();
  StateIndex index = index_of(stream.bytes());
  REQUIRE(index.records);
  uint64_t end = 8;
  for (const IndexedRecord& record : *index.records) {
    CHECK(record.offset == end);
    end = record.end();
  }
  CHECK(end == stream.size());
  CHECK(index.records->front().type == SectionType::Configuration);
  CHECK(index.records->back().type == SectionType::Vmdescription);
}

TEST_CASE("equal slices in a row are one record", "[state]") {
  StreamBuilder stream = two_blocks();
  for (int i = 0; i < 5000; ++i) stream.part(2).eos().footer();
  stream.end(2).eos().footer().eof();
  StateIndex index = index_of(stream.bytes());
  REQUIRE(index.records);
  REQUIRE(index.records->size() == 5);
  const IndexedRecord& slices = (*index.records)[2];
  CHECK(slices.type == SectionType::Part);
  CHECK(slices.count == 5000);
  CHECK(slices.length == 18);
  CHECK(slices.idstr == "ram");
}

TEST_CASE("the place of a page leads to its bytes", "[state]") {
  StreamBuilder stream = two_blocks();
  stream.part(2).page("pc.ram", 0, 1).page("", 0x1000, 2).page("", 0x3000, 3).eos().footer();
  stream.part(2).page("vga", 0x1000, 4).fill_page("", 0, 9).eos().footer();
  stream.end(2).page("pc.ram", 0x1000, 5).eos().footer().eof();
  StateIndex index = index_of(stream.bytes());
  REQUIRE(index.pages);
  auto byte_of = [&](size_t block, uint64_t page) {
    auto place = index.pages->find(block, page);
    REQUIRE(place);
    return std::to_integer<int>(stream.bytes()[place->offset()]);
  };
  CHECK(byte_of(0, 0) == 1);
  CHECK(byte_of(0, 1) == 5);  // the last word
  CHECK(byte_of(0, 3) == 3);
  CHECK(byte_of(1, 1) == 4);
  CHECK(byte_of(1, 0) == 9);
  CHECK(index.pages->find(1, 0)->fill() == 9);
  CHECK_FALSE(index.pages->find(0, 2));
  CHECK(index.facts.blocks[0].block.name == "pc.ram");
  CHECK(index.facts.blocks[0].records_of(PageKind::Data) == 4);
  CHECK(index.facts.blocks[1].records_of(PageKind::Fill) == 1);
  REQUIRE(index.records);
  CHECK((*index.records)[2].page_records == 3);
}

TEST_CASE("memory without blocks is one block", "[state]") {
  StreamBuilder stream(false);
  stream.header().start(3, "ram", 3).be64(0x4000 | 0x04);
  stream.be64(0x1000 | 0x08).repeat(4096, 7).be64(0x2000 | 0x02).be8(0).eos();
  stream.end(3).eos().eof();
  StateIndex index = index_of(stream.bytes());
  REQUIRE(index.facts.blocks.size() == 1);
  CHECK(index.facts.blocks[0].block.name.empty());
  CHECK(index.facts.blocks[0].block.used_length == 0x4000);
  REQUIRE(index.pages);
  REQUIRE(index.pages->find(0, 1));
  CHECK(stream.bytes()[index.pages->find(0, 1)->offset()] == std::byte{7});
  CHECK(index.pages->find(0, 2)->kind() == PageKind::Zero);
}

TEST_CASE("an index says what it had to leave out", "[state]") {
  StreamBuilder stream = two_blocks();
  for (int i = 0; i < 10; ++i) {
    stream.part(2).page(i % 2 == 0 ? "pc.ram" : "vga", 0, 1).eos().footer();
  }
  stream.end(2).eos().footer().eof();
  StateIndex index = index_of(stream.bytes(), {.page_map_bytes = 100, .records = 5});
  CHECK_FALSE(index.pages);
  CHECK_FALSE(index.records);
  REQUIRE(index.facts.left_out.size() == 2);
  CHECK(index.facts.left_out[0] == "sections: more than 5 records");
  CHECK(index.facts.left_out[1] == "pages: more than 100 bytes");
  CHECK(index.facts.complete);
}

TEST_CASE("a stream with a gap has no page map", "[state]") {
  StreamBuilder stream = two_blocks();
  stream.part(2).page("pc.ram", 0, 1).text("damage");
  for (uint64_t page = 1; page < 8; ++page) stream.page("pc.ram", page * 0x1000, 2);
  stream.eos().footer().end(2).eos().footer().eof();
  IndexBuilder builder;
  StreamParser parser(builder, {}, {.resume = true});
  CHECK(parser.feed(stream.bytes()));
  CHECK(parser.finish());
  StateIndex index = builder.finish(stream.size(), stream.size(), false);
  CHECK_FALSE(index.pages);
  REQUIRE(index.facts.left_out.size() == 1);
  CHECK(index.facts.left_out[0] == "pages: bytes of the stream were lost");
}

}  // namespace
}  // namespace vmstream
