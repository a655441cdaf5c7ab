// SPDX-License-Identifier: MIT
// The ram section: block list, page kinds, page sizes, mapped-ram.
#include <vmstream/parser.h>

#include "support/catch.h"
#include "support/event_log.h"
#include "support/round_trip.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

// A stream whose ram section is open and has one block of 64 KiB.
StreamBuilder open_ram(std::string_view machine = "pc-q35-7.2") {
  StreamBuilder stream;
  stream.header().configuration(machine).start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 0x10000}}).eos().footer().part(2);
  return stream;
}

StreamBuilder& close_ram(StreamBuilder& stream) {
  return stream.eos().footer().end(2).eos().footer().eof();
}

// Parses whole and in single bytes, which must tell the same; written again it is the same too.
EventLog read(StreamBuilder& stream) {
  auto whole = parse_all(stream.bytes());
  INFO((whole.status ? "" : describe(whole.status.error())));
  REQUIRE(whole.status);
  CHECK(parse_all(stream.bytes(), 1).log.lines == whole.log.lines);
  RoundTrip copy;
  REQUIRE(parse_in_pieces(stream.bytes(), 100, copy));
  CHECK(copy.bytes == stream.bytes());
  return whole.log;
}

std::string error_of(StreamBuilder& stream) {
  auto status = parse_all(stream.bytes()).status;
  REQUIRE_FALSE(status);
  return status.error().message;
}

}  // namespace

TEST_CASE("every kind of page") {
  auto stream = open_ram();
  stream.page("pc.ram", 0, 0x11).fill_page("", 0x1000).fill_page("", 0x2000, 0x77);
  stream.page_head("", 0, 0x40).be8(1).be16(3).text("abc");
  stream.page_head("", 0x3000, 0x100).be32(5).text("zlib!");
  auto log = read(close_ram(stream));
  CHECK(log.has("page data pc.ram 0x0 fill 0"));
  CHECK(log.has("page zero pc.ram 0x1000 fill 0"));
  CHECK(log.has("page fill pc.ram 0x2000 fill 119"));
  CHECK(log.has("page xbzrle pc.ram 0x0"));
  CHECK(log.has("page compressed pc.ram 0x3000"));
}

TEST_CASE("a page continues the block named last, across sections too") {
  auto stream = open_ram();
  stream.fill_page("pc.ram", 0).eos().footer().part(2).fill_page("", 0x1000);
  CHECK(read(close_ram(stream)).has("page zero pc.ram 0x1000"));
}

TEST_CASE("marks of multifd and RDMA") {
  auto stream = open_ram();
  stream.be64(0x200).be64(0x080);
  auto log = read(close_ram(stream));
  CHECK(log.count("mark 1") == 1);
  CHECK(log.count("mark 2") == 1);
}

TEST_CASE("pages may stand behind the block list in START") {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"m", 0x2000}}).page("m", 0, 5).eos().footer();
  stream.end(2).eos().footer().eof();
  CHECK(read(stream).has("page data m 0x0"));
}

TEST_CASE("a background snapshot has no END of ram") {
  auto stream = open_ram();
  stream.fill_page("pc.ram", 0).eos().footer().device(3, "timer", "abc").eof();
  CHECK(read(stream).has("end of timer length 3"));
}

TEST_CASE("ten thousand empty PARTs") {
  auto stream = open_ram();
  for (int i = 0; i < 10'000; ++i) stream.eos().footer().part(2);
  CHECK(parse_all(close_ram(stream).bytes()).log.count("part id 2") == 10'001);
}

TEST_CASE("ram version 3 has flat addresses and no block list") {
  StreamBuilder stream(false);
  stream.header().start(3, "ram", 3).be64(0x3000 | 4);
  stream.be64(0x0 | 8).repeat(4096, 0x53).be64(0x1000 | 2).be8(0xff).be64(0x10);
  stream.end(3).be64(0x10).eof();
  auto log = read(stream);
  CHECK(log.has("blocks total 0x3000:"));
  CHECK(log.has("page data - 0x0"));
  CHECK(log.has("page fill - 0x1000 fill 255"));
}

TEST_CASE("the optional words of a block's entry") {
  StreamBuilder stream;
  SECTION("page size of a huge-page block, first and last") {
    stream.header().start(2, "ram", 4).be64(0x600000 | 4);
    stream.counted("hugemem").be64(0x200000).be64(0x200000);
    stream.counted("plain").be64(0x200000);
    stream.counted("more").be64(0x200000).be64(0x200000).be64(0x200).eos().footer();
    auto log = read(stream.eof());
    CHECK(log.has("hugemem=0x200000 page size 0x200000 plain=0x200000 more=0x200000 page size"));
    CHECK(log.has("mark 1"));
  }
  SECTION("guest address with x-ignore-shared") {
    stream.header().configuration("pc").capabilities({"x-ignore-shared"}).start(2, "ram", 4);
    stream.be64(0x2000 | 4).counted("a").be64(0x1000).be64(0xc0000);
    stream.counted("b").be64(0x1000).be64(0).eos().footer();
    auto log = read(stream.eof());
    CHECK(log.has("a=0x1000 address 0xc0000 b=0x1000 address 0x0"));
  }
  SECTION("both") {
    stream.header().configuration("pc").capabilities({"x-ignore-shared"}).start(2, "ram", 4);
    stream.be64(0x400000 | 4).counted("a").be64(0x200000).be64(0x200000).be64(0x100000);
    stream.counted("b").be64(0x200000).be64(0x200000).be64(0).eos().footer();
    CHECK(read(stream.eof()).has("page size 0x200000 address 0x100000 b"));
  }
}

TEST_CASE("the page size is found at the first page where nothing tells it") {
  auto size = GENERATE(as<size_t>{}, 1024, 4096, 8192, 16384, 65536);
  auto stream = open_ram("virt");
  if (size < 65536) stream.page("pc.ram", size, 1, size).page("", 2 * size, 2, size);
  if (size == 65536) stream.page("pc.ram", 0, 1, size);
  CHECK(read(close_ram(stream)).count(" " + std::to_string(size) + " ") > 0);
}

TEST_CASE("the page size is taken from configuration, machine or POSTCOPY_ADVISE") {
  StreamBuilder stream;
  size_t size = 8192;
  SECTION("configuration") {
    stream.header().configuration("x").page_bits(13);
  }
  SECTION("machine") {
    stream.header().configuration("clipper");
  }
  SECTION("advice") {
    std::string advice("\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x20\0", 16);
    stream.header().command(3, advice);
  }
  stream.start(2, "ram", 4).ram_blocks({{"m", 0x8000}}).eos().footer().part(2);
  // The next record looks right after 4096 bytes as well: only knowledge can tell.
  stream.page_head("m", 0, 8).be64(0x10).repeat(size - 8, 0).eos().footer().end(2).eos().footer();
  CHECK(read(stream.eof()).has(" 8192 "));
}

TEST_CASE("mapped-ram: pages at their places, the bitmap says which count") {
  StreamBuilder stream;
  stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
  stream.be64(0x4000 | 4).counted("a").be64(0x3000).be32(1).be64(0x1000);
  auto bitmap = stream.size() + 16;
  stream.be64(bitmap).be64(bitmap + 8 + 100).be8(0x05).repeat(7, 0).repeat(100, 0);
  stream.repeat(4096, 0x11).repeat(4096, 0x22).repeat(4096, 0x33);
  stream.counted("shared").be64(0x1000).be32(1).be64(0x1000).be64(0).be64(0);
  stream.eos().footer().end(2).eos().footer().eof();
  auto log = read(stream);
  CHECK(log.count("page data a") == 2);
  CHECK(log.has("page zero a 0x1000"));
  CHECK(log.count("blocks total 0x4000") == 2);
}

TEST_CASE("every fault of a ram section has its error") {
  StreamBuilder stream;
  std::string wanted;
  SECTION("version") {
    stream.header().start(2, "ram", 5);
    wanted = "ram section has version 5, wanted 3 or 4";
  }
  SECTION("unknown record") {
    stream = open_ram();
    stream.be64(0x001);
    wanted = "section 'ram' (id 2): 0x1 is no ram record";
  }
  SECTION("two kinds at once") {
    stream = open_ram();
    stream.be64(0x00a);
    wanted = "0xa is no ram record";
  }
  SECTION("unlisted block") {
    stream = open_ram();
    stream.fill_page("vga.vram", 0);
    wanted = "page of block 'vga.vram', which is not listed";
  }
  SECTION("continuation of nothing") {
    stream = open_ram();
    stream.fill_page("", 0);
    wanted = "none was named";
  }
  SECTION("page past the end") {
    stream = open_ram();
    stream.fill_page("pc.ram", 0x10000);
    wanted = "page 0x10000 is past the end of block 'pc.ram' (0x10000 bytes)";
  }
  SECTION("page between pages") {
    stream = open_ram();
    stream.page("pc.ram", 0, 1).fill_page("", 0x400);
    wanted = "page 0x400 does not begin at a multiple of 4096";
  }
  SECTION("flat page past the end") {
    stream.header().start(2, "ram", 3).be64(0x1000 | 4).be64(0x1000 | 2);
    wanted = "page 0x1000 is past the end of RAM (0x1000 bytes)";
  }
  SECTION("flat page that continues") {
    stream.header().start(2, "ram", 3).be64(0x1000 | 4).be64(0x22);
    wanted = "a page without a block continues a block";
  }
  SECTION("xbzrle encoding") {
    stream = open_ram();
    stream.page_head("pc.ram", 0, 0x40).be8(2).be16(1).be8(0);
    wanted = "xbzrle encoding is 0x02, wanted 0x01";
  }
  SECTION("compressed page too long") {
    stream = open_ram();
    stream.page_head("pc.ram", 0, 0x100).be32(0x7fffffff);
    wanted = "compressed page of 2147483647 bytes";
  }
  SECTION("block longer than the total") {
    stream.header().start(2, "ram", 4).be64(0x1000 | 4).counted("a").be64(0x2000);
    wanted = "RAM block 'a' has 8192 bytes, 4096 are left of the total";
  }
  SECTION("block listed twice") {
    stream.header().start(2, "ram", 4).ram_blocks({{"a", 0x1000}, {"a", 0x1000}}).eos();
    wanted = "RAM block 'a' is listed twice";
  }
  SECTION("block without a name") {
    stream.header().start(2, "ram", 4).ram_blocks({{"", 0x1000}}).eos();
    wanted = "empty name";
  }
  SECTION("mapped-ram header") {
    stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
    stream.be64(0x1000 | 4).counted("a").be64(0x1000).be32(2).be64(0).be64(0).be64(0);
    wanted = "mapped-ram header has version 2, wanted 1";
  }
  SECTION("mapped-ram page size") {
    stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
    stream.be64(0x1000 | 4).counted("a").be64(0x1000).be32(1).be64(7).be64(100).be64(200);
    wanted = "mapped-ram block 'a': page size 7 is not possible";
  }
  SECTION("mapped-ram places") {
    stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
    stream.be64(0x1000 | 4).counted("a").be64(0x1000).be32(1).be64(4096).be64(100).be64(101);
    wanted = "pages at 0x65 overlap the bitmap of 8 bytes at 0x64";
  }
  SECTION("mapped-ram bitmap too large") {
    stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
    stream.be64((uint64_t{1} << 60) | 4).counted("a").be64(uint64_t{1} << 60).be32(1);
    stream.be64(4096).be64(100).be64(uint64_t{1} << 50);
    wanted = "at most 67108864 are kept";
  }
  SECTION("page record in a mapped-ram stream") {
    stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
    stream.be64(0x1000 | 4).counted("a").be64(0x1000).be32(1).be64(4096).be64(0).be64(0);
    stream.fill_page("a", 0);
    wanted = "a page record in a mapped-ram stream";
  }
  SECTION("cut page") {
    stream = open_ram();
    stream.page_head("pc.ram", 0, 8).repeat(100, 0);
    wanted = "a record needs 4111 bytes, 115 left";
  }
  auto found = error_of(stream);
  INFO(found);
  CHECK(found.find(wanted) != std::string::npos);
}

TEST_CASE("more RAM blocks than the limit are refused") {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"a", 4096}, {"b", 4096}, {"c", 4096}}).eos();
  CHECK_FALSE(parse_all(stream.bytes(), 4096, {.ram_blocks = 2}).status);
}

TEST_CASE("the blocks in front of a bad entry of the list are shown") {
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).be64(0x3000 | 4).counted("a").be64(0x1000);
  auto cut = parse_all(stream.bytes());
  CHECK_FALSE(cut.log.has("blocks total"));
  stream.counted("b").be64(0x5000);
  auto parsed = parse_all(stream.bytes());
  REQUIRE_FALSE(parsed.status);
  CHECK(parsed.log.has("blocks total 0x3000: a=0x1000"));
  CHECK(parse_all(stream.bytes(), 1).log.lines == parsed.log.lines);
}
