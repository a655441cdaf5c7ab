// SPDX-License-Identifier: MIT
#include <vmstream/stream_summary.h>

#include <array>
#include <chrono>
#include <string>

#include <vmstream/vmdesc.h>
#include "support/catch.h"

using namespace vmstream;

namespace {

SectionHeader ram_section(SectionType type, uint64_t offset) {
  return {.type = type,
          .offset = offset,
          .body_offset = offset + 5,
          .section_id = 2,
          .idstr = "ram",
          .version_id = 4};
}

SectionHeader device(std::string idstr, uint32_t instance_id, uint64_t offset) {
  return {.type = SectionType::Full,
          .offset = offset,
          .body_offset = offset + 19,
          .section_id = 3 + instance_id,
          .idstr = std::move(idstr),
          .instance_id = instance_id,
          .version_id = 1};
}

const ScanResult kWhole{.plain_bytes = 1000, .parsed_bytes = 1000, .stream_bytes = 1000};

// Plays the events of a stream to a collector.
struct Collecting {
  SummaryCollector collector;

  void section(const SectionHeader& header, uint64_t length) {
    REQUIRE(collector.on_section(header));
    end(header, length);
  }
  void end(const SectionHeader& header, uint64_t length) {
    REQUIRE(collector.on_section_end(header, {.body_length = length - 24,
                                              .end_offset = header.offset + length,
                                              .footer = true,
                                              .bounded_by = BoundedBy::Vmdesc}));
  }
  void page(const RamBlock* block, PageKind kind, size_t payload = 0) {
    std::vector<std::byte> bytes(payload);
    REQUIRE(collector.on_page({.block = block, .kind = kind, .payload = bytes}));
  }
};

}  // namespace

TEST_CASE("page records are counted by block and kind", "[analysis]") {
  Collecting stream;
  RamBlockList list{.total_bytes = 0x3000,
                    .blocks = {{.name = "pc.ram", .used_length = 0x2000},
                               {.name = "pc.bios", .used_length = 0x1000}}};
  REQUIRE(stream.collector.on_section(ram_section(SectionType::Start, 8)));
  REQUIRE(stream.collector.on_ram_blocks(list));
  stream.end(ram_section(SectionType::Start, 8), 60);
  REQUIRE(stream.collector.on_section(ram_section(SectionType::Part, 68)));
  stream.page(&list.blocks[1], PageKind::Data, 4096);
  stream.page(&list.blocks[0], PageKind::Zero);
  stream.page(&list.blocks[0], PageKind::Zero);
  stream.page(&list.blocks[1], PageKind::Xbzrle, 12);
  auto summary = stream.collector.finish(kWhole);
  REQUIRE(summary.blocks.size() == 2);
  CHECK(summary.ram_bytes == 0x3000);
  CHECK(summary.ram_version == 4);
  CHECK(summary.blocks[0].pages[PageKind::Zero] == 2);
  CHECK(summary.blocks[0].pages.total() == 2);
  CHECK(summary.blocks[1].pages[PageKind::Data] == 1);
  CHECK(summary.blocks[1].pages[PageKind::Xbzrle] == 1);
  CHECK(summary.pages.total() == 4);
  CHECK(summary.target_page_size == 4096);
}

TEST_CASE("pages without block names are counted as well", "[analysis]") {
  Collecting stream;
  stream.page(nullptr, PageKind::Fill);
  RamBlock stranger{.name = "not in the list"};
  stream.page(&stranger, PageKind::Zero);
  auto summary = stream.collector.finish(kWhole);
  CHECK(summary.blocks.empty());
  CHECK(summary.pages.total() == 2);
  CHECK_FALSE(summary.target_page_size);
}

TEST_CASE("slices add up to one iterable section", "[analysis]") {
  Collecting stream;
  stream.section(ram_section(SectionType::Start, 8), 60);
  stream.section(ram_section(SectionType::Part, 68), 100);
  stream.section(ram_section(SectionType::Part, 168), 100);
  SECTION("ended") {
    stream.section(ram_section(SectionType::End, 268), 40);
    auto summary = stream.collector.finish(kWhole);
    REQUIRE(summary.iterables.size() == 1);
    CHECK(summary.iterables[0].sections == 4);
    CHECK(summary.iterables[0].bytes == 300);
    CHECK(summary.iterables[0].ended);
  }
  SECTION("without an end, as background snapshots have none") {
    auto summary = stream.collector.finish(kWhole);
    CHECK(summary.iterables[0].sections == 3);
    CHECK_FALSE(summary.iterables[0].ended);
  }
}

TEST_CASE("the description counts fields of the devices it names", "[analysis]") {
  Collecting stream;
  stream.section(device("serial", 0, 100), 40);
  stream.section(device("serial", 1, 140), 40);
  stream.section(device("rtc", 0, 180), 40);
  std::string json = R"({"page_size": 8192, "devices": [
    {"name": "serial", "instance_id": 1, "vmsd_name": "serial", "version": 1,
     "fields": [{"name": "a", "type": "uint8", "size": 1}, {"name": "b", "type": "uint8", "size": 1}],
     "subsections": [{"vmsd_name": "serial/timeout", "version": 1, "fields": []}]}]})";
  auto description = std::make_shared<const Vmdesc>(Vmdesc::read(json));
  REQUIRE(stream.collector.on_vmdesc({221, json, description}));
  auto summary = stream.collector.finish(kWhole);
  REQUIRE(summary.devices.size() == 3);
  CHECK_FALSE(summary.devices[0].fields);
  CHECK(summary.devices[1].fields == 2);
  CHECK(summary.devices[1].subsections == 1);
  CHECK_FALSE(summary.devices[2].fields);
  CHECK(summary.devices[2].length == 40);
  CHECK(summary.vmdesc);
  CHECK(summary.target_page_size == 8192);
}

TEST_CASE("the page size is that of the configuration until something better comes", "[analysis]") {
  SummaryCollector collector;
  REQUIRE(collector.on_configuration({.machine = "virt-8.0", .target_page_bits = 10}));
  CHECK(collector.finish(kWhole).target_page_size == 1024);
  SummaryCollector absurd;
  REQUIRE(absurd.on_configuration({.machine = "virt-8.0", .target_page_bits = 99}));
  CHECK_FALSE(absurd.finish(kWhole).target_page_size);
}

TEST_CASE("the run state is read from globalstate alone", "[analysis]") {
  std::vector<std::byte> body(104);
  std::string text = "running";
  body[3] = static_cast<std::byte>(text.size() + 1);
  for (size_t i = 0; i < text.size(); ++i) body[4 + i] = static_cast<std::byte>(text[i]);
  for (std::string idstr : {"globalstate", "timer"}) {
    Collecting stream;
    REQUIRE(stream.collector.on_section(device(idstr, 0, 100)));
    REQUIRE(stream.collector.on_body(119, body));
    stream.end(device(idstr, 0, 100), 128);
    auto summary = stream.collector.finish(kWhole);
    CHECK(summary.run_state.has_value() == (idstr == "globalstate"));
    if (summary.run_state) CHECK(*summary.run_state == "running");
  }
}

TEST_CASE("a fault makes the summary incomplete and is its last problem", "[analysis]") {
  SummaryCollector collector;
  REQUIRE(collector.on_problem({10, "footer names section 9, but section 3 is open"}));
  ScanResult cut{.plain_bytes = 500, .parsed_bytes = 500, .stream_bytes = 500};
  cut.fault = Error{Errc::Truncated, "the stream ends without its end mark", 500};
  auto summary = collector.finish(cut);
  CHECK_FALSE(summary.complete);
  REQUIRE(summary.problems.total() == 2);
  CHECK(summary.problems.kept()[0].offset == 10);
  CHECK(summary.problems.kept()[1].offset == 500);
}

TEST_CASE("a block list that grows entry by entry is looked at once", "[analysis]") {
  constexpr size_t kBlocks = 40'000;  // all of the list each time would take minutes
  SummaryCollector collector;
  RamBlockList list{.offset = 7, .total_bytes = kBlocks * 4096, .blocks = {}};
  auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < kBlocks; ++i) {
    list.blocks.push_back({.name = "block" + std::to_string(i), .used_length = 4096});
    list.blocks.back().mapped = MappedRam{4096, 4096, 8192};
    REQUIRE(collector.on_ram_blocks(list));
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  auto summary = collector.finish(kWhole);
  REQUIRE(summary.blocks.size() == kBlocks);
  CHECK(summary.blocks.back().block.name == "block39999");
}
