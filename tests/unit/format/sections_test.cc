// SPDX-License-Identifier: MIT
// Where bodies end: formats with marks of their own, the vmdesc, footers, the next header.
#include <vmstream/parser.h>
#include <vmstream/vmdesc.h>

#include "support/catch.h"
#include "support/event_log.h"
#include "support/round_trip.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

EventLog read(StreamBuilder& stream, ParseContext context = {}) {
  auto whole = parse_all(stream.bytes(), 1 << 20, {}, context);
  INFO((whole.status ? "" : describe(whole.status.error())));
  REQUIRE(whole.status);
  CHECK(parse_all(stream.bytes(), 1, {}, context).log.lines == whole.log.lines);
  RoundTrip copy;
  REQUIRE(parse_in_pieces(stream.bytes(), 50, copy, {}, context));
  CHECK(copy.bytes == stream.bytes());
  return whole.log;
}

Error error_of(StreamBuilder& stream, const ParseLimits& limits = {}) {
  auto status = parse_all(stream.bytes(), 64, limits).status;
  REQUIRE_FALSE(status);
  INFO(status.error().message);
  return status.error();
}

// A ram section that says whether there are footers.
StreamBuilder begin(bool footers = true) {
  StreamBuilder stream(footers);
  stream.header().start(2, "ram", 4).ram_blocks({{"m", 0x1000}}).eos().footer();
  stream.end(2).eos().footer();
  return stream;
}

}  // namespace

TEST_CASE("no section reaches behind the description, in pieces of any size") {
  StreamBuilder stream = begin();
  stream.full(4, "decoy").eof().vmdesc(make_vmdesc({{"timer", 2}})).footer();
  stream.part(2).eos().footer().eof();
  for (size_t piece : {size_t{1}, size_t{7}, stream.size()}) {
    auto outcome = parse_all(stream.bytes(), piece);
    REQUIRE_FALSE(outcome.status);
    CHECK(outcome.status.error().message ==
          "section 'decoy' (id 4): neither the vmdesc nor a footer tells where it ends");
  }
}

TEST_CASE("no section reaches behind its package, wherever the description begins") {
  StreamBuilder package(false);
  package.full(4, "timer").text("abc");
  StreamBuilder stream = begin(false);
  stream.device(3, "cpu", "12345").be8(8).be16(7).be16(4).be32(package.size());
  stream.bytes().insert(stream.bytes().end(), package.bytes().begin(), package.bytes().end());
  stream.eof().vmdesc(make_vmdesc({{"cpu", 5}}));
  for (size_t piece : {size_t{1}, size_t{7}, stream.size()}) {
    auto outcome = parse_all(stream.bytes(), piece);
    REQUIRE_FALSE(outcome.status);
    CHECK(outcome.status.error().message ==
          "section 'timer' (id 4): neither the vmdesc nor a footer tells where it ends");
  }
}

TEST_CASE("block: chunks of a disk, zero chunks, progress") {
  StreamBuilder stream;
  stream.header().start(1, "block").be64(2).footer().part(1);
  stream.be64(0x800 << 9 | 1).counted("ide0").repeat(1 << 20, 0xdd);
  stream.be64(0x1000 << 9 | 9).counted("ide0").be64(50 << 9 | 4).be64(2).footer().eof();
  auto outcome = parse_all(stream.bytes(), 4096);
  REQUIRE(outcome.status);
  CHECK(outcome.log.has("end of block length 1048618 by format footer"));
}

TEST_CASE("dirty-bitmap: start, bits with and without a buffer, complete") {
  StreamBuilder stream;
  stream.header().start(1, "dirty-bitmap").be8(0x1c).counted("drive0").counted("bitmap0");
  stream.be32(65536).be8(3).be8(1).footer().end(1);
  stream.be8(0x40).be64(0).be32(128).be64(4).text("bits").be8(0x42).be64(128).be32(128);
  stream.be8(0x20).be8(1).footer().eof();
  CHECK(read(stream).count("by format footer") == 2);
}

TEST_CASE("dirty-bitmap: the end may stand in any record, as QEMU takes it") {
  StreamBuilder stream;
  stream.header().start(1, "dirty-bitmap").be8(0x21).footer();
  stream.part(1).be8(0x11).be32(65536).be8(3).footer();
  stream.part(1).be8(0x41).be64(0).be32(128).be64(4).text("bits").footer();
  stream.part(1).be8(0x03).footer().end(1).be8(0x60).be8(1).footer().eof();
  auto log = read(stream);
  CHECK(log.count("by format footer") == 5);
  CHECK(log.count("dirty-bitmap flags that no QEMU writes together") == 5);
}

TEST_CASE("spapr/htab: shift, chunks, none at all") {
  StreamBuilder stream;
  stream.header().start(1, "spapr/htab").be32(24).footer();
  stream.part(1).be32(0).be32(7).be16(2).be16(1).repeat(32, 0xab).be64(0).footer();
  stream.end(1).be32(0xffffffff).footer().eof();
  CHECK(read(stream).has("end of spapr/htab length 52 by format footer"));
}

TEST_CASE("s390-storage_attributes: more, done, end") {
  StreamBuilder stream;
  stream.header().start(1, "s390-storage_attributes", 0).be64(1).footer();
  stream.end(1).be64(0x5002).be64(3).text("abc").be64(8).be64(1).footer().eof();
  CHECK(read(stream).has("end of s390-storage_attributes length 35 by format"));
}

TEST_CASE("vfio: by tags, the opaque configuration by its footer") {
  StreamBuilder stream;
  stream.header().start(1, "0000:00:04.0/vfio").be64(0xffffffffef100003);
  stream.be64(0xffffffffef100001).footer().part(1).be64(0xffffffffef100004).be64(4).text("data");
  stream.be64(0xffffffffef100005).footer();
  stream.end(1).be64(0xffffffffef100002).text("~config~").be64(0xffffffffef100001).footer().eof();
  auto log = read(stream);
  CHECK(log.has("end of 0000:00:04.0/vfio length 28 by format footer"));
  CHECK(log.has("end of 0000:00:04.0/vfio length 24 by footer footer"));
}

TEST_CASE("an unknown iterable section ends at a footer with a record behind it") {
  StreamBuilder stream;
  stream.header().start(1, "future").text("a~b").be8(0x7e).be32(1).text("no record").footer();
  stream.part(1).footer().end(1).text("end").footer().eof();
  auto log = read(stream);
  CHECK(log.has("end of future length 17 by footer footer"));
  CHECK(log.has("end of future length 0 by footer footer"));
}

TEST_CASE("an unknown iterable section without footers is not supported") {
  auto stream = begin(false);
  stream.start(1, "future").text("abc").eof();
  CHECK(error_of(stream).code == Errc::Unsupported);
}

TEST_CASE("a record that does not belong to its section is malformed") {
  StreamBuilder stream;
  SECTION("block") {
    stream.header().start(1, "block").be64(0x10);
  }
  SECTION("dirty-bitmap") {
    stream.header().start(1, "dirty-bitmap").be8(0x80);
  }
  SECTION("htab") {
    stream.header().start(1, "spapr/htab").be32(1).footer().part(1).be32(1);
  }
  SECTION("attributes") {
    stream.header().start(1, "s390-storage_attributes").be64(0x10);
  }
  SECTION("vfio") {
    stream.header().start(1, "x/vfio").be64(1);
  }
  auto error = error_of(stream.repeat(40, 0));
  CHECK(error.code == Errc::Malformed);
  CHECK(error.message.find("is no record of section") != std::string::npos);
}

TEST_CASE("payload that is missing makes the stream truncated") {
  StreamBuilder stream;
  stream.header().start(1, "block").be64(1).counted("ide0").repeat(1000, 0);
  auto error = error_of(stream);
  CHECK(error.code == Errc::Truncated);
  CHECK(error.message == "section 'block' (id 1): 1047576 bytes of its data are missing");
}

TEST_CASE("device bodies full of footers end where the vmdesc says") {
  auto stream = begin();
  std::string trap(
      "\x7e\0\0\0\x03\x04\0\0\0\x09\x03"
      "cpu\0\0\0\0\0\0\0\x01",
      22);
  stream.device(3, "vga", trap + trap).device(4, "cpu", "x");
  stream.eof().vmdesc(make_vmdesc({{"vga", 44}, {"cpu", 1}}));
  CHECK(read(stream).has("end of vga length 44 by vmdesc footer"));
}

TEST_CASE("a vmdesc known beforehand bounds sections as they come") {
  auto stream = begin();
  stream.device(3, "timer", "0123456789");
  size_t first = stream.size();
  stream.device(4, "cpu", "x").eof().vmdesc(make_vmdesc({{"timer", 10}, {"cpu", 1}}));
  auto description = Vmdesc::parse(make_vmdesc({{"timer", 10}, {"cpu", 1}}));
  REQUIRE(description);
  ParseContext context{.vmdesc = &*description};
  CHECK(read(stream, context).count("by vmdesc footer") == 2);
  EventLog log;
  StreamParser parser(log, {}, context);
  REQUIRE(parser.feed(std::span<const std::byte>(stream.bytes()).first(first)));
  CHECK(parser.confirmed_offset() == first);
}

TEST_CASE("a vmdesc that disagrees with the bytes is reported, and reading goes on") {
  auto stream = begin();
  stream.device(3, "timer", "0123456789").device(4, "cpu", "x").device(5, "odd", "yy");
  stream.eof().vmdesc(make_vmdesc({{"timer", 7}, {"cpu", 1}}));
  auto log = read(stream);
  CHECK(log.has("section 'timer' (id 3): vmdesc gives 7 bytes"));
  CHECK(log.has("end of timer length 10 by footer footer"));
  CHECK(log.has("end of cpu length 1 by vmdesc footer"));
  CHECK(log.has("vmdesc does not describe section 'odd' instance 0"));
  CHECK(log.has("end of odd length 2 by footer footer"));
}

TEST_CASE("a broken footer in front of a good vmdesc is an error") {
  auto stream = begin();
  stream.full(3, "timer").text("0123456789").be8(0x7e).be32(99).device(4, "cpu", "x");
  stream.eof().vmdesc(make_vmdesc({{"timer", 10}, {"cpu", 1}}));
  auto error = error_of(stream);
  CHECK(error.code == Errc::Malformed);
  CHECK(error.message.find("neither the vmdesc nor a footer") != std::string::npos);
}

TEST_CASE("early device state is bounded at once, and checked when the vmdesc comes") {
  StreamBuilder stream;
  stream.header().device(9, "virtio-mem-early", "abc").device(8, "other-early", "defg");
  stream.start(2, "ram", 4).ram_blocks({{"m", 0x1000}}).eos().footer();
  size_t ram_end = stream.size();
  stream.end(2).eos().footer().device(3, "timer", "x");
  stream.eof().vmdesc(make_vmdesc({{"virtio-mem-early", 3}, {"other-early", 5}, {"timer", 1}}));
  auto log = read(stream);
  CHECK(log.has("end of virtio-mem-early length 3 by footer footer"));
  CHECK(log.has("section 'other-early': 4 bytes by its footer, 5 by the vmdesc"));
  EventLog early;
  StreamParser parser(early);
  REQUIRE(parser.feed(std::span<const std::byte>(stream.bytes()).first(ram_end)));
  CHECK(parser.confirmed_offset() == ram_end);
}

TEST_CASE("without a vmdesc, sections are split by footers or by headers, and marked so") {
  bool footers = GENERATE(true, false);
  auto stream = begin(footers);
  stream.device(3, "timer", "0123456789").device(7, "0000:00:02.0/vga", "").device(4, "cpu", "abc");
  auto log = read(stream.eof());
  CHECK(log.count(footers ? "by footer footer at" : "by next-header at") == 3);
  CHECK(log.has("end of timer length 10"));
  CHECK(log.has("end of 0000:00:02.0/vga length 0"));
  CHECK(log.has("end of cpu length 3"));
}

TEST_CASE("a vmdesc in a stream without footers") {
  auto stream = begin(false);
  stream.device(3, "timer", "0123456789").device(4, "cpu", "abc");
  stream.eof().vmdesc(make_vmdesc({{"timer", 10}, {"cpu", 3}}));
  CHECK(read(stream).count("by vmdesc at") == 2);
}

TEST_CASE("device state alone, as xen-save-devices-state writes it") {
  bool footers = GENERATE(true, false);
  StreamBuilder stream(footers);
  stream.header().device(3, "timer", "0123456789").device(4, "cpu", "abc").eof();
  CHECK(read(stream).count("end of") == 2);
}

TEST_CASE("a device section that never ends is truncated, or stopped by the limit") {
  auto stream = begin();
  stream.full(3, "timer").repeat(5000, 0x55);
  auto cut = error_of(stream);
  CHECK(cut.code == Errc::Truncated);
  CHECK(cut.offset == stream.size());
  auto limited = error_of(stream, {.device_tail_bytes = 1000});
  CHECK(limited.code == Errc::Unsupported);
  CHECK(limited.message == "section 'timer' (id 3): no end within 1000 bytes, the limit");
}

TEST_CASE("a tail longer than the limit is split by footers") {
  auto stream = begin();
  std::vector<std::pair<std::string, uint64_t>> devices;
  for (uint32_t id = 10; id < 60; ++id) {
    devices.emplace_back("dev" + std::to_string(id), 100);
    stream.device(id, devices.back().first, std::string(100, 'x'));
  }
  stream.eof().vmdesc(make_vmdesc(devices));
  auto outcome = parse_all(stream.bytes(), 64, {.device_tail_bytes = 1000});
  REQUIRE(outcome.status);
  CHECK(outcome.log.count("length 100 by footer footer") > 30);
  CHECK(outcome.log.count("length 100 by") == 50);
}
