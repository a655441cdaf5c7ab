// SPDX-License-Identifier: MIT
#include <vmstream/record_list.h>

#include <array>
#include <string>
#include <vector>

#include "support/catch.h"

using namespace vmstream;

namespace {

const SectionHeader kRamStart{.type = SectionType::Start,
                              .offset = 8,
                              .body_offset = 25,
                              .section_id = 2,
                              .idstr = "ram",
                              .version_id = 4};

SectionHeader ram_part(uint64_t offset) {
  SectionHeader header = kRamStart;
  header.type = SectionType::Part;
  header.offset = offset;
  header.body_offset = offset + 5;
  return header;
}

SectionEnd end_at(uint64_t offset, uint64_t body_length) {
  return {.body_length = body_length, .end_offset = offset, .footer = true};
}

// Plays events to a lister and keeps what it makes of them, as "kind offset+length".
struct Listing {
  std::vector<StreamRecord> records;
  RecordLister lister{[this](const StreamRecord& record) {
    records.push_back(record);
    return ok();
  }};

  std::vector<std::string> rows() const {
    std::vector<std::string> rows;
    for (const auto& record : records) {
      rows.push_back(std::string(name_of(record)) + " " + std::to_string(record.offset) + "+" +
                     std::to_string(record.length) + (record.whole ? "" : " broken"));
    }
    return rows;
  }

  void ram_section(const SectionHeader& header, uint64_t end, uint64_t body_length) {
    REQUIRE(lister.on_section(header));
    REQUIRE(lister.on_section_end(header, end_at(end, body_length)));
  }
};

using Rows = std::vector<std::string>;

}  // namespace

TEST_CASE("records tile a whole stream, trailing bytes included", "[analysis]") {
  Listing listing;
  REQUIRE(listing.lister.on_header({.version = 3}));
  listing.ram_section(kRamStart, 60, 30);
  REQUIRE(listing.lister.on_eof(60));
  REQUIRE(listing.lister.on_vmdesc({.offset = 61, .json = "{}"}));
  std::array<std::byte, 3> padding{};
  REQUIRE(listing.lister.on_trailing(68, padding));
  REQUIRE(listing.lister.on_trailing(71, padding));
  REQUIRE(listing.lister.finish({.plain_bytes = 74, .parsed_bytes = 74, .stream_bytes = 68}));
  CHECK(listing.rows() ==
        Rows{"header 0+8", "start 8+52", "eof 60+1", "vmdesc 61+7", "trailing 68+6"});
  CHECK(listing.lister.problems().empty());
}

TEST_CASE("the header of version 2 holds a length of its own", "[analysis]") {
  Listing listing;
  REQUIRE(listing.lister.on_header({.version = 2, .record_bytes = 100}));
  CHECK(listing.rows() == Rows{"header 0+16"});
}

TEST_CASE("a section that the input cuts off keeps all that is left", "[analysis]") {
  Listing listing;
  REQUIRE(listing.lister.on_header({.version = 3}));
  REQUIRE(listing.lister.on_section(kRamStart));
  ScanResult cut{.plain_bytes = 40, .parsed_bytes = 40, .stream_bytes = 40};
  cut.fault = Error{Errc::Truncated, "page needs 4096 bytes, 7 left", 33};
  REQUIRE(listing.lister.finish(cut));
  CHECK(listing.rows() == Rows{"header 0+8", "start 8+32 broken"});
  REQUIRE(listing.lister.problems().total() == 1);
  CHECK(listing.lister.problems().kept().front().offset == 33);
}

TEST_CASE("bytes behind a malformed place are listed as unparsed", "[analysis]") {
  Listing listing;
  REQUIRE(listing.lister.on_header({.version = 3}));
  ScanResult scan{.plain_bytes = 100, .parsed_bytes = 30, .stream_bytes = 100};
  scan.fault = Error{Errc::Malformed, "unknown record type 0x55", 30};
  SECTION("inside of a section") {
    REQUIRE(listing.lister.on_section(kRamStart));
    REQUIRE(listing.lister.finish(scan));
    CHECK(listing.rows() == Rows{"header 0+8", "start 8+22 broken", "unparsed 30+70"});
  }
  SECTION("inside of a section, before its body was recognised") {
    scan.parsed_bytes = 8;
    REQUIRE(listing.lister.on_section(kRamStart));
    REQUIRE(listing.lister.finish(scan));
    CHECK(listing.rows() == Rows{"header 0+8", "start 8+17 broken", "unparsed 25+75"});
  }
  SECTION("between sections") {
    listing.ram_section(kRamStart, 30, 0);
    REQUIRE(listing.lister.finish(scan));
    CHECK(listing.rows() == Rows{"header 0+8", "start 8+22", "unparsed 30+70"});
  }
}

TEST_CASE("what a parser leaves out between two records is listed too", "[analysis]") {
  Listing listing;
  REQUIRE(listing.lister.on_header({.version = 3}));
  REQUIRE(listing.lister.on_eof(50));
  CHECK(listing.rows() == Rows{"header 0+8", "unparsed 8+42", "eof 50+1"});
}

TEST_CASE("the records of a package are marked", "[analysis]") {
  Listing listing;
  std::array<std::byte, 4> length{};
  REQUIRE(listing.lister.on_header({.version = 3}));
  REQUIRE(listing.lister.on_command(
      {.type = CommandType::Packaged, .offset = 8, .payload = length, .package_length = 5}));
  REQUIRE(listing.lister.on_command({.type = CommandType::PostcopyRun, .offset = 17}));
  REQUIRE(listing.lister.on_package_end(22));
  REQUIRE(listing.lister.on_eof(22));
  CHECK(listing.rows() == Rows{"header 0+8", "command 8+9", "command 17+5", "eof 22+1"});
  CHECK_FALSE(listing.records[1].packaged);
  CHECK(listing.records[2].packaged);
  CHECK_FALSE(listing.records[3].packaged);
}

TEST_CASE("a part is empty when it holds its end mark and nothing else", "[analysis]") {
  Listing listing;
  listing.ram_section(ram_part(0), 18, 8);
  CHECK(listing.records.back().is_empty_part());
  listing.ram_section(ram_part(18), 50, 22);
  CHECK_FALSE(listing.records.back().is_empty_part());
  listing.ram_section(kRamStart, 60, 8);
  CHECK_FALSE(listing.records.back().is_empty_part());
}

TEST_CASE("a receiver's error stops the parse", "[analysis]") {
  RecordLister lister([](const StreamRecord&) -> Status {
    return Error{Errc::Environment, "nobody listens"};
  });
  auto status = lister.on_header({.version = 3});
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "nobody listens");
}

TEST_CASE("a log keeps the first problems and counts the rest", "[analysis]") {
  ProblemLog log;
  for (uint64_t i = 0; i < ProblemLog::kProblemsKept + 5; ++i) log.add({i, "footer missing"});
  CHECK(log.kept().size() == ProblemLog::kProblemsKept);
  CHECK(log.kept().back().offset == ProblemLog::kProblemsKept - 1);
  CHECK(log.total() == ProblemLog::kProblemsKept + 5);
}

TEST_CASE("a fault without a stream offset is put where reading ended", "[analysis]") {
  ProblemLog log;
  log.add(Error{Errc::Malformed, "checksum differs", std::nullopt, 0x20}, 4096);
  REQUIRE(log.kept().size() == 1);
  CHECK(log.kept().front().offset == 4096);
  CHECK(log.kept().front().message ==
        "file offset 0x20: checksum differs; of the plain stream all from 0x1000 on is lost");
}
