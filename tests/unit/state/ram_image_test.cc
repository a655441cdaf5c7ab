// SPDX-License-Identifier: MIT
#include <vmstream/ram_image.h>

#include <zlib.h>

#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

using testing::index_of;
using testing::StreamBuilder;

constexpr size_t kPage = 4096;

std::string packed_page(uint8_t byte) {
  std::vector<Bytef> page(kPage, byte);
  uLongf length = ::compressBound(kPage);
  std::string packed(length, '\0');
  REQUIRE(::compress(reinterpret_cast<Bytef*>(packed.data()), &length, page.data(), kPage) == Z_OK);
  packed.resize(length);
  return packed;
}

// Pages of every kind: 0 data, 1 zero, 2 absent, 3 fill, 4 a delta on a delta on data, 5
// compressed.
StreamBuilder every_kind() {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8 * kPage}, {"vga", 2 * kPage}});
  stream.eos().footer().part(2);
  stream.page("pc.ram", 0, 1).fill_page("", 1 * kPage).fill_page("", 3 * kPage, 0xaa);
  stream.page("", 4 * kPage, 4).page("vga", 0, 9).page("", kPage, 8).eos().footer().part(2);
  stream.page_head("pc.ram", 4 * kPage, 0x40).be8(1).be16(4).be8(0).be8(2).text("ab");
  stream.page_head("", 4 * kPage, 0x40).be8(1).be16(3).be8(1).be8(1).text("B");
  std::string packed = packed_page(5);
  stream.page_head("", 5 * kPage, 0x100).be32(packed.size()).text(packed);
  stream.eos().footer().end(2).eos().footer().eof();
  return stream;
}

struct Fixture {
  StreamBuilder stream = every_kind();
  std::unique_ptr<RandomSource> plain = make_random_memory(stream.bytes());
  StateIndex index = index_of(stream.bytes());

  // The page, or why it cannot be had.
  Result<std::vector<std::byte>> read(uint64_t page, size_t block = 0, size_t count = 1) {
    auto image = RamImage::make(*plain, index);
    if (!image) return image.error();
    std::vector<std::byte> bytes(count * kPage, std::byte{0x55});
    auto absent = image->read(block, page, bytes);
    if (!absent) return absent.error();
    return bytes;
  }
  std::string fault(uint64_t page, size_t block = 0) {
    auto bytes = read(page, block);
    REQUIRE_FALSE(bytes);
    return bytes.error().message;
  }
  // The index says that `page` of the first block stands elsewhere.
  void lie(uint64_t page, PagePlace place, uint32_t count = 1, uint32_t stride = 4104) {
    std::vector<PageRuns> blocks(2);
    blocks[0] = {{page, count, stride, place}};
    index.pages = PageMap(kPage, std::move(blocks), index.pages->deltas());
  }
  PagePlace place_of(uint64_t page, size_t block = 0) { return *index.pages->find(block, page); }
};

std::vector<std::byte> page_of(int byte) {
  return std::vector<std::byte>(kPage, static_cast<std::byte>(byte));
}

TEST_CASE_METHOD(Fixture, "a page of every kind is read", "[state]") {
  CHECK(*read(0) == page_of(1));
  CHECK(*read(1) == page_of(0));
  CHECK(*read(2) == page_of(0));
  CHECK(*read(3) == page_of(0xaa));
  CHECK(*read(5) == page_of(5));
  CHECK(*read(0, 1) == page_of(9));
  CHECK(*read(1, 1) == page_of(8));
  auto changed = page_of(4);
  changed[0] = std::byte{'a'};
  changed[1] = std::byte{'B'};
  CHECK(*read(4) == changed);
}

TEST_CASE_METHOD(Fixture, "many pages are read at once", "[state]") {
  auto all = read(0, 0, 8);
  REQUIRE(all);
  for (uint64_t page = 0; page < 8; ++page) {
    auto first = all->begin() + static_cast<std::ptrdiff_t>(page * kPage);
    CHECK(std::equal(first, first + kPage, read(page)->begin()));
  }
  auto image = RamImage::make(*plain, index);
  REQUIRE(image);
  std::vector<std::byte> bytes(8 * kPage);
  CHECK(*image->read(0, 0, bytes) == 3);  // pages that were not sent
  CHECK(image->find_block("vga") == 1);
  CHECK_FALSE(image->find_block("rom"));
}

TEST_CASE("a long run is read in stretches", "[state]") {
  constexpr uint64_t kPages = 700;
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", kPages * kPage}}).eos().footer();
  stream.part(2);
  for (uint64_t page = 0; page < kPages; ++page) {
    stream.page(page == 0 ? "pc.ram" : "", page * kPage, static_cast<uint8_t>(page));
  }
  stream.eos().footer().end(2).eos().footer().eof();
  auto plain = make_random_memory(stream.bytes());
  auto image = RamImage::make(*plain, index_of(stream.bytes()));
  REQUIRE(image);
  REQUIRE(image->map().runs(0).size() == 1);
  std::vector<std::byte> bytes((kPages - 3) * kPage);
  REQUIRE(image->read(0, 3, bytes));
  for (uint64_t page = 3; page < kPages; ++page) {
    CHECK(bytes[(page - 3) * kPage] == static_cast<std::byte>(page));
    CHECK(bytes[(page - 2) * kPage - 1] == static_cast<std::byte>(page));
  }
}

TEST_CASE_METHOD(Fixture, "a place without the page's record is refused", "[state]") {
  const std::string kMissing = "index: no data record of page 0x0 of block 'pc.ram' is here";
  SECTION("a byte beside") {
    lie(0, place_of(0).later(1));
    CHECK(fault(0) == kMissing);
  }
  SECTION("another page's") {
    lie(0, place_of(4));
    CHECK(fault(0).find("record of page 0x0 of block 'pc.ram' is here") != std::string::npos);
  }
  SECTION("another block's") {
    lie(0, place_of(0, 1));
    CHECK(fault(0) == kMissing);
  }
  SECTION("another kind of record") {
    lie(0, PagePlace(PageKind::Zero, 0, place_of(0).offset()));
    CHECK(fault(0) == "index: no zero record of page 0x0 of block 'pc.ram' is here");
  }
  SECTION("another fill byte") {
    lie(3, PagePlace(PageKind::Fill, 0xab, place_of(3).offset()));
    CHECK(fault(3) == "index: no fill record of page 0x3000 of block 'pc.ram' is here");
  }
  SECTION("in front of all records") {
    lie(0, PagePlace(PageKind::Data, 0, 4));
    CHECK(fault(0) == kMissing);
  }
  SECTION("behind the end") {
    lie(0, PagePlace(PageKind::Data, 0, uint64_t{1} << 50));
    CHECK(fault(0).find("the end is at") != std::string::npos);
  }
  SECTION("a run that is longer than it is") {
    lie(0, place_of(0), 2);
    auto image = RamImage::make(*plain, index);
    REQUIRE(image);
    std::vector<std::byte> bytes(2 * kPage);
    auto done = image->read(0, 0, bytes);
    REQUIRE_FALSE(done);
    CHECK(done.error().message == "index: no data record of page 0x1000 of block 'pc.ram' is here");
    CHECK(done.error().offset == place_of(0).offset() + 4104);
  }
}

TEST_CASE_METHOD(Fixture, "a delta is nothing without what it changes", "[state]") {
  lie(4, place_of(4));
  REQUIRE(read(4));
  SECTION("the map does not know") {
    index.pages = PageMap(kPage, {index.pages->runs(0), {}}, {});
    CHECK(fault(4) == "index: no xbzrle record of page 0x4000 of block 'pc.ram' is here");
  }
  SECTION("the map names another page") {
    auto deltas = index.pages->deltas();
    deltas.front().before = PagePlace(PageKind::Zero, 0, deltas.front().before.offset() - 4000);
    index.pages = PageMap(kPage, {index.pages->runs(0), {}}, deltas);
    CHECK(fault(4).starts_with("index: no zero record of page 0x4000"));
  }
}

TEST_CASE_METHOD(Fixture, "a compressed page must hold a page", "[state]") {
  stream.bytes()[place_of(5).offset() + 10] ^= std::byte{0xff};
  CHECK(fault(5) == "the compressed page does not inflate to 4096 bytes");
}

TEST_CASE_METHOD(Fixture, "an index of another stream is refused", "[state]") {
  SECTION("by the length") {
    ++index.facts.plain_bytes;
    CHECK(fault(0).starts_with("index: made for a stream of"));
  }
  SECTION("by the block list") {
    index.facts.blocks[0].block.used_length = 16 * kPage;
    CHECK(fault(0) == "index: RAM block 'pc.ram' is not listed here");
  }
  SECTION("by the number of blocks") {
    index.facts.blocks.pop_back();
    CHECK(fault(0) == "index: pages of 2 RAM blocks, 1 are listed");
  }
  SECTION("by a page behind the end of its block") {
    lie(8, place_of(0));
    CHECK(fault(0) == "index: pages behind the end of RAM block 'pc.ram'");
  }
  SECTION("by its lack of a map") {
    index.pages.reset();
    CHECK(fault(0) == "the index has no page map");
  }
}

TEST_CASE_METHOD(Fixture, "pages that a block does not have cannot be asked for", "[state]") {
  CHECK(fault(8).starts_with("4096 bytes from page 8 on are wanted"));
  CHECK(fault(0, 2).starts_with("4096 bytes from page 0 on are wanted"));
}

// Pages 0 and 2 of four are stored. The offsets in the header are those of a file in which 0x500
// other bytes stand in front of the stream.
StreamBuilder mapped_stream(uint64_t bitmap) {
  constexpr uint64_t kGap = 100;
  StreamBuilder stream;
  stream.header().configuration("pc-q35-10.0").capabilities({"mapped-ram"});
  stream.start(2, "ram", 4).be64(4 * kPage | 0x04).counted("pc.ram").be64(4 * kPage);
  uint64_t bitmap_offset = 0x500 + stream.size() + 28;
  stream.be32(1).be64(kPage).be64(bitmap_offset).be64(bitmap_offset + 8 + kGap);
  stream.be64(bitmap).repeat(kGap, 0xee);
  for (uint8_t byte : {uint8_t{1}, uint8_t{2}, uint8_t{3}, uint8_t{4}}) stream.repeat(kPage, byte);
  stream.eos().footer().end(2).eos().footer().eof();
  return stream;
}

TEST_CASE("pages of a mapped-ram stream have fixed places", "[state]") {
  StreamBuilder stream = mapped_stream(uint64_t{0b0101} << 56);
  StateIndex index = index_of(stream.bytes());
  REQUIRE(index.pages);
  auto plain = make_random_memory(stream.bytes());
  std::vector<std::byte> bytes(4 * kPage);
  auto read_all = [&] {
    auto image = RamImage::make(*plain, index);
    REQUIRE(image);
    return image->read(0, 0, bytes);
  };
  SECTION("those whose bit is clear are zero") {
    REQUIRE(read_all());
    for (size_t page = 0; page < 4; ++page) {
      int wanted[] = {1, 0, 3, 0};
      CHECK(std::to_integer<int>(bytes[page * kPage]) == wanted[page]);
      CHECK(std::to_integer<int>(bytes[page * kPage + kPage - 1]) == wanted[page]);
    }
  }
  SECTION("the index and the bitmap must agree") {
    stream = mapped_stream(uint64_t{0b0001} << 56);
    plain = make_random_memory(stream.bytes());
    auto read = read_all();
    REQUIRE_FALSE(read);
    CHECK(read.error().message == "index: no data record of page 0x2000 of block 'pc.ram' is here");
  }
  SECTION("a place is where the header puts it") {
    PagePlace place = *index.pages->find(0, 0);
    index.pages = PageMap(kPage, {{{0, 1, kPage, place.later(kPage)}}}, {});
    CHECK_FALSE(read_all());
  }
}

}  // namespace
}  // namespace vmstream
