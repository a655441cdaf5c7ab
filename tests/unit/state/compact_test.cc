// SPDX-License-Identifier: MIT
#include <vmstream/state_writer.h>

#include <vmstream/ram_image.h>

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

Result<Bytes> compact(std::span<const std::byte> bytes, size_t piece = 1 << 16) {
  auto plain = make_random_memory(bytes);
  auto source = make_compact_source(*plain, index_of(bytes));
  if (!source) return source.error();
  return testing::read_all(**source, piece);
}

// All memory, block behind block.
Bytes memory_of(std::span<const std::byte> bytes) {
  auto plain = make_random_memory(bytes);
  auto image = RamImage::make(*plain, index_of(bytes));
  REQUIRE(image);
  Bytes memory;
  for (size_t block = 0; block < image->blocks().size(); ++block) {
    Bytes content(image->page_count(block) * kPage);
    REQUIRE(image->read(block, 0, content));
    memory.insert(memory.end(), content.begin(), content.end());
  }
  return memory;
}

StreamBuilder begin() {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8 * kPage}, {"vga", 2 * kPage}});
  return std::move(stream.eos().footer());
}

StreamBuilder& end(StreamBuilder& stream) {
  return stream.device(0, "timer", "tick").eof();
}

// Two passes, a device between them, an END with a page, pages out of order, one absent, one delta.
StreamBuilder live_save() {
  StreamBuilder stream = begin();
  stream.part(2).page("pc.ram", 0, 1).fill_page("", kPage).page("", 2 * kPage, 3);
  stream.page("", 4 * kPage, 4).page("vga", 0, 9).eos().footer();
  stream.device(1, "early", "abcd");
  stream.part(2).page("vga", kPage, 8).page("pc.ram", 2 * kPage, 33).fill_page("", 0);
  stream.page_head("pc.ram", 4 * kPage, 0x40).be8(1).be16(4).be8(0).be8(2).text("ab");
  stream.eos().footer().end(2).page("pc.ram", kPage, 11).eos().footer();
  return std::move(end(stream));
}

}  // namespace

TEST_CASE("a compact stream holds the same memory, each page once", "[compact]") {
  auto stream = live_save();
  auto bytes = compact(stream.bytes(), GENERATE(1u, 1u << 16));
  REQUIRE(bytes);
  CHECK(bytes->size() < stream.size());
  CHECK(memory_of(*bytes) == memory_of(stream.bytes()));
  auto before = index_of(stream.bytes());
  auto after = index_of(*bytes);
  for (size_t block = 0; block < 2; ++block) {
    uint64_t records = 0;
    for (uint64_t count : after.facts.blocks[block].records) records += count;
    CHECK(records == before.pages->count_pages(block));
  }
  CHECK(after.facts.blocks[0].records_of(PageKind::Xbzrle) == 0);
  CHECK(after.facts.problems == 0);
}

TEST_CASE("what is no memory stays where it was", "[compact]") {
  auto stream = live_save();
  auto bytes = compact(stream.bytes());
  REQUIRE(bytes);
  auto index = index_of(*bytes);
  std::vector<std::string> order;
  for (const IndexedRecord& record : *index.records) {
    bool is_section = record.type != SectionType::Eof;
    order.push_back(std::to_string(static_cast<int>(record.type)) + " " +
                    (is_section ? record.idstr : ""));
  }
  CHECK(order == std::vector<std::string>{"1 ram", "2 ram", "4 early", "3 ram", "4 timer", "0 "});
}

TEST_CASE("the same memory gives the same bytes, however it was sent", "[compact]") {
  StreamBuilder once = begin();
  once.part(2).page("pc.ram", 0, 1).page("", kPage, 2).eos().footer();
  end(once.end(2).eos().footer());
  StreamBuilder often = begin();
  often.part(2).page("pc.ram", kPage, 7).page("", 0, 8).eos().footer();
  often.part(2).page("pc.ram", kPage, 2).eos().footer();
  end(often.end(2).page("pc.ram", 0, 1).eos().footer());
  auto compact_once = compact(once.bytes());
  auto compact_often = compact(often.bytes());
  REQUIRE(compact_once);
  REQUIRE(compact_often);
  CHECK(*compact_once == *compact_often);
  CHECK(*compact_once == once.bytes());
}

TEST_CASE("a stream without an END, as of a background snapshot, gets none", "[compact]") {
  StreamBuilder stream = begin();
  stream.part(2).page("pc.ram", 5 * kPage, 5).page("", 0, 1).eos().footer();
  end(stream);
  auto bytes = compact(stream.bytes());
  REQUIRE(bytes);
  CHECK(bytes->size() == stream.size());
  CHECK(memory_of(*bytes) == memory_of(stream.bytes()));
}

TEST_CASE("a stream with too many records for a table is put into order all the same",
          "[compact]") {
  auto stream = live_save();
  auto plain = make_random_memory(stream.bytes());
  auto index = index_of(stream.bytes());
  index.records.reset();
  auto source = make_compact_source(*plain, std::move(index));
  REQUIRE(source);
  auto bytes = testing::read_all(**source, 1 << 16);
  REQUIRE(bytes);
  CHECK(*bytes == *compact(stream.bytes()));
}

TEST_CASE("flaws that a QEMU is known to write are no reason to refuse", "[compact]") {
  auto stream = live_save();
  auto plain = make_random_memory(stream.bytes());
  auto index = index_of(stream.bytes());
  index.facts.problems = 1;
  CHECK(make_compact_source(*plain, std::move(index)));
}

TEST_CASE("streams whose pages have an order of their own are refused", "[compact]") {
  SECTION("postcopy") {
    StreamBuilder stream = begin();
    stream.part(2).page("pc.ram", 0, 1).eos().footer().command(4);
    auto refused = compact(end(stream.end(2).eos().footer()).bytes());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::Unsupported);
  }
  SECTION("pages behind the block list") {
    StreamBuilder stream;
    stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8 * kPage}});
    stream.page("pc.ram", 0, 1).eos().footer();
    auto refused = compact(end(stream.end(2).eos().footer()).bytes());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::Unsupported);
  }
  SECTION("incomplete") {
    auto stream = live_save();
    auto plain = make_random_memory(stream.bytes());
    auto index = index_of(stream.bytes());
    index.facts.complete = false;
    auto refused = make_compact_source(*plain, std::move(index));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::Malformed);
  }
}

}  // namespace vmstream
