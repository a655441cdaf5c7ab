// SPDX-License-Identifier: MIT
// The stream's grammar: good streams in any pieces, cut streams, flipped bytes, each error.
#include <vmstream/parser.h>

#include <algorithm>

#include "support/catch.h"
#include "support/event_log.h"
#include "support/round_trip.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

// The error that `stream` ends with.
Error error_of(StreamBuilder& stream, const ParseLimits& limits = {}) {
  auto outcome = parse_all(stream.bytes(), 1 << 20, limits);
  REQUIRE_FALSE(outcome.status);
  return outcome.status.error();
}

bool mentions(const Error& error, std::string_view text) {
  INFO(error.message);
  return error.message.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("a small stream is told event by event") {
  auto stream = small_stream();
  auto [log, status] = parse_all(stream.bytes());
  REQUIRE(status);
  CHECK(log.lines.front() == "header version 3");
  CHECK(log.has("configuration 53 machine virt-7.2 bits 10"));
  CHECK(log.has("blocks total 0x5000: pc.ram=0x4000 pc.bios=0x1000"));
  CHECK(log.count("page data pc.ram") == 2);
  CHECK(log.has("page zero pc.ram 0x1000"));
  CHECK(log.count("end of ram length") == 3);
  CHECK(log.has("body 30313233343536373839"));
  CHECK(log.has("end of timer length 10 by vmdesc footer"));
  CHECK(log.has("end of 0000:00:02.0/vga length 3 by vmdesc footer"));
  CHECK(log.count("problem") == 0);
}

TEST_CASE("the size of the pieces makes no difference") {
  auto stream = small_stream();
  auto whole = parse_all(stream.bytes());
  size_t piece = GENERATE(as<size_t>{}, 1, 2, 3, 7, 100, 1023, 1024, 1025);
  auto pieces = parse_all(stream.bytes(), piece);
  REQUIRE(pieces.status);
  CHECK(pieces.log.lines == whole.log.lines);
}

TEST_CASE("what was parsed can be written again") {
  auto stream = small_stream();
  RoundTrip copy;
  REQUIRE(parse_in_pieces(stream.bytes(), 1000, copy));
  CHECK(copy.bytes == stream.bytes());
}

TEST_CASE("a stream that is cut anywhere is truncated") {
  auto stream = small_stream();
  auto bytes = std::span<const std::byte>(stream.bytes());
  auto eof = bytes.size() - small_vmdesc().size() - 6;
  for (size_t length = 0; length < bytes.size(); ++length) {
    INFO("cut to " << length);
    auto status = parse_all(bytes.first(length)).status;
    if (length == eof + 1) {  // a stream without a vmdesc ends here, so this one may
      CHECK(status);
      continue;
    }
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Errc::Truncated);
    CHECK(status.error().offset.value_or(UINT64_MAX) <= length);
  }
}

TEST_CASE("a flipped byte never crashes the parser and never makes it forget a byte") {
  auto stream = small_stream();
  auto bytes = stream.bytes();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (auto flip : {std::byte{0x01}, std::byte{0x80}, std::byte{0xff}}) {
      auto damaged = bytes;
      damaged[at] ^= flip;
      RoundTrip copy;
      auto status = parse_in_pieces(damaged, 512, copy);
      INFO("byte " << at);
      if (status && !copy.may_differ) CHECK(copy.bytes == damaged);
    }
  }
}

TEST_CASE("only what is recognised is confirmed, and the end only when it is proved") {
  auto stream = small_stream();
  auto bytes = std::span<const std::byte>(stream.bytes());
  EventLog log;
  StreamParser parser(log);
  auto devices = stream.size() - small_vmdesc().size() - 100;
  REQUIRE(parser.feed(bytes.first(2048)));
  CHECK(parser.confirmed_offset() > 1024);
  CHECK(parser.confirmed_offset() <= 2048);
  REQUIRE(parser.feed(bytes.subspan(2048)));
  CHECK(parser.confirmed_offset() > devices);
  CHECK(parser.confirmed_offset() < bytes.size());
  CHECK(bytes[static_cast<size_t>(parser.confirmed_offset())] == std::byte{0});  // EOF
  REQUIRE(parser.finish());
  CHECK(parser.confirmed_offset() == bytes.size());
  CHECK(parser.stream_length() == bytes.size());
}

TEST_CASE("bytes behind the end are told apart") {
  auto stream = small_stream();
  size_t length = stream.size();
  stream.text("padding");
  auto bytes = std::span<const std::byte>(stream.bytes());
  EventLog log;
  StreamParser parser(log);
  REQUIRE(parser.feed(bytes));
  REQUIRE(parser.finish());
  CHECK(parser.stream_length() == length);
  CHECK(parser.offset() == length + 7);
}

TEST_CASE("an error sticks") {
  StreamBuilder stream;
  stream.text("QEVX").be32(3);
  EventLog log;
  StreamParser parser(log);
  CHECK_FALSE(parser.feed(stream.bytes()));
  auto good = small_stream();
  auto again = parser.feed(good.bytes());
  REQUIRE_FALSE(again);
  CHECK(again.error().offset == 0u);
  CHECK_FALSE(parser.finish());
}

TEST_CASE("an error of the visitor comes out unchanged") {
  struct Refuser : StreamVisitor {
    Status on_page(const Page&) override { return Error{Errc::Refused, "enough"}; }
  } refuser;
  auto stream = small_stream();
  auto status = parse_in_pieces(stream.bytes(), 4096, refuser);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::Refused);
  CHECK(status.error().message == "enough");
}

TEST_CASE("the configuration's subsections are read") {
  StreamBuilder stream;
  stream.header().configuration("virt-7.2").page_bits(12).capabilities({"x-ignore-shared"});
  stream.be8(5).counted("configuration/uuid").be32(1).text("0123456789abcdef").eof();
  auto [log, status] = parse_all(stream.bytes(), 5);
  REQUIRE(status);
  CHECK(log.has("machine virt-7.2 bits 12 capabilities x-ignore-shared uuid"));
}

TEST_CASE("every fault of the framing has its error") {
  StreamBuilder stream;
  SECTION("magic") {
    stream.text("LibvirtQemudSave");
    CHECK(mentions(error_of(stream), "magic is 0x4c696276, wanted 0x5145564d"));
  }
  SECTION("stream version") {
    stream.header(4);
    auto error = error_of(stream);
    CHECK(error.code == Errc::Unsupported);
    CHECK(error.offset == 4u);
  }
  SECTION("machine name too long") {
    stream.header().be8(7).be32(5000);
    CHECK(mentions(error_of(stream), "machine type of 5000 bytes, at most 4096"));
  }
  SECTION("too many capabilities") {
    stream.header().configuration("pc").be8(5).counted("configuration/capabilities");
    stream.be32(1).be32(1000);
    CHECK(mentions(error_of(stream), "lists 1000 capabilities"));
  }
  SECTION("impossible page bits") {
    stream.header().configuration("pc").page_bits(40).eof();
    CHECK(mentions(error_of(stream), "40 target page bits, wanted 8 to 16"));
  }
  SECTION("unknown configuration subsection") {
    stream.header().configuration("pc").be8(5).counted("configuration/new").be32(1).eof();
    CHECK(error_of(stream).code == Errc::Unsupported);
  }
  SECTION("newer configuration subsection") {
    stream.header().configuration("pc").be8(5).counted("configuration/uuid").be32(2);
    stream.repeat(16, 0).eof();
    CHECK(mentions(error_of(stream), "has version 2, wanted 1"));
  }
  SECTION("record type") {
    stream.header().be8(0x33);
    CHECK(mentions(error_of(stream), "record type is 0x33"));
  }
  SECTION("record out of place") {
    stream.header().be8(6).be32(0);
    CHECK(mentions(error_of(stream), "vmdesc record is out of place"));
  }
  SECTION("part without start") {
    stream.header().part(9);
    CHECK(mentions(error_of(stream), "part of section id 9, which was not started"));
  }
  SECTION("two starts of one id") {
    stream.header().start(1, "block").be64(2).footer().start(1, "ram", 4);
    CHECK(mentions(error_of(stream), "section id 1 is started twice"));
  }
  SECTION("empty idstr") {
    stream.header().full(1, "");
    CHECK(mentions(error_of(stream), "empty idstr"));
  }
  SECTION("missing footer") {
    stream.header().start(1, "block").be64(2).footer().part(1).be64(2).eof().repeat(8, 0);
    CHECK(mentions(error_of(stream), "footer begins with 0x00, wanted 0x7e"));
  }
  SECTION("footer of another section") {
    stream.header().start(1, "block").be64(2).be8(0x7e).be32(2);
    CHECK(mentions(error_of(stream), "footer has section id 2"));
  }
  SECTION("too many sections") {
    stream.header().start(1, "block").be64(2).footer().start(2, "blocks");
    CHECK(mentions(error_of(stream, {.sections = 1}), "more than 1 sections"));
  }
  SECTION("vmdesc too long") {
    stream.header().eof().be8(6).be32(2000);
    CHECK(mentions(error_of(stream, {.vmdesc_bytes = 1000}), "vmdesc of 2000 bytes"));
  }
  SECTION("vmdesc cut off") {
    stream.header().eof().be8(6).be32(2000).text("{");
    auto error = error_of(stream);
    CHECK(error.code == Errc::Truncated);
    CHECK(mentions(error, "vmdesc needs 2000 bytes, 1 left"));
  }
  SECTION("nothing at all") {
    CHECK(error_of(stream).code == Errc::Truncated);
  }
}

TEST_CASE("a vmdesc that is no description is a problem, not an error") {
  StreamBuilder stream;
  stream.header().eof().vmdesc("no json");
  auto [log, status] = parse_all(stream.bytes());
  REQUIRE(status);
  CHECK(log.has("problem at 0x9: vmdesc: it is no JSON"));
}

TEST_CASE("commands are shown with their payload") {
  StreamBuilder stream;
  stream.header().command(1).command(2, "ping").command(11).eof();
  auto [log, status] = parse_all(stream.bytes(), 1);
  REQUIRE(status);
  CHECK(log.has("command OPEN_RETURN_PATH 0"));
  CHECK(log.has("command PING 4"));
  CHECK(log.has("command SWITCHOVER_START 0"));
}

TEST_CASE("the records of a package are events between command and package end") {
  StreamBuilder package;
  package.command(4).device(3, "timer", "state").device(4, "cpu", "more").command(5);
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 0x1000}}).eos().footer();
  stream.be8(8).be16(7).be16(4).be32(package.size());
  stream.bytes().insert(stream.bytes().end(), package.bytes().begin(), package.bytes().end());
  stream.part(2).page("pc.ram", 0, 1).eos().footer().end(2).eos().footer().eof();
  auto whole = parse_all(stream.bytes());
  REQUIRE(whole.status);
  CHECK(whole.log.has("end of timer length 5 by footer footer"));
  CHECK(whole.log.has("end of cpu length 4 by footer footer"));
  auto& lines = whole.log.lines;
  auto run = std::ranges::find(lines, "command POSTCOPY_RUN 0 0 package 0");
  REQUIRE(run != lines.end());
  CHECK((run + 1)->starts_with("package end"));
  CHECK(parse_all(stream.bytes(), 1).log.lines == lines);
}

TEST_CASE("a package must hold whole records and stay within its limit") {
  StreamBuilder stream;
  stream.header().be8(8).be16(7);
  SECTION("cut record") {
    stream.be16(4).be32(3).text("\x08\x01\x01").eof();
    auto error = error_of(stream);
    CHECK(error.code == Errc::Malformed);
    CHECK(mentions(error, "package: "));
  }
  SECTION("EOF inside") {
    stream.be16(4).be32(1).eof().eof();
    CHECK(mentions(error_of(stream), "EOF within a package"));
  }
  SECTION("length field") {
    stream.be16(2).be16(0).eof();
    CHECK(mentions(error_of(stream), "PACKAGED command has 2 bytes, wanted 4"));
  }
  SECTION("limit") {
    stream.be16(4).be32(0x10000000);
    CHECK(error_of(stream, {.package_bytes = 0x1000}).code == Errc::Unsupported);
  }
  SECTION("cut off") {
    stream.be16(4).be32(100).text("abc");
    CHECK(mentions(error_of(stream), "package needs 100 bytes, 3 left"));
  }
  SECTION("nested") {
    stream.be16(4).be32(9).be8(8).be16(7).be16(4).be32(0).eof();
    CHECK(mentions(error_of(stream), "a package within a package"));
  }
}

TEST_CASE("streams before 0.10 are records with a length") {
  StreamBuilder stream;
  uint32_t version = GENERATE(1u, 2u);
  stream.header(version);
  if (version == 2) stream.be64(2 * (1 + 3 + 4 + 4 + 4) + 5);
  stream.counted("cpu").be32(0).be32(4).be32(5).text("state");
  stream.counted("ram").be32(0).be32(1).be32(0);
  auto [log, status] = parse_all(stream.bytes(), 1);
  REQUIRE(status);
  CHECK(log.has("end of cpu length 5 by length"));
  CHECK(log.has("end of ram length 0 by length"));
  RoundTrip copy;
  REQUIRE(parse_in_pieces(stream.bytes(), 3, copy));
  CHECK(copy.bytes == stream.bytes());
  stream.bytes().pop_back();
  CHECK(parse_all(stream.bytes()).status.error().code == Errc::Truncated);
}
