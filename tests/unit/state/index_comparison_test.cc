// SPDX-License-Identifier: MIT
// Every lie about a stream is found by comparison with it; many of them by the index's own numbers.
#include "state/index_comparison.h"
#include <vmstream/ram_image.h>

#include <fmt/format.h>

#include <string>

#include "codec/trailer/block_table.h"
#include "state/index_tables.h"
#include "support/catch.h"
#include "support/forged_index.h"
#include "support/state_files.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

using testing::ForgeryMaterial;
using testing::StreamBuilder;

constexpr size_t kPage = 4096;

// Two blocks with pages at the same offsets, pages sent again, deltas, a device.
StreamBuilder live_stream() {
  StreamBuilder stream;
  stream.header().configuration("pc-10.0").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 6 * kPage}, {"vga", 2 * kPage}}).eos().footer().part(2);
  stream.page("pc.ram", 0, 1).page("", kPage, 2).fill_page("", 2 * kPage).page("", 3 * kPage, 4);
  stream.fill_page("", 4 * kPage, 0xaa).page("", 5 * kPage, 6);
  stream.page("vga", 0, 7).page("", kPage, 8).eos().footer().part(2);
  stream.page("pc.ram", 0, 11).page("", kPage, 12);
  stream.page_head("", 3 * kPage, 0x40).be8(1).be16(4).be8(0).be8(2).text("ab");
  stream.eos().footer().end(2).eos().footer().device(3, "timer", "0123");
  return stream.eof().vmdesc(testing::make_vmdesc({{"timer", 4}}, kPage));
}

struct Fixture {
  StreamBuilder stream = live_stream();
  ForgeryMaterial truth = testing::forgery_material(stream.bytes());

  // What the comparison says of the index with this lie.
  std::vector<Problem> problems_of(std::string_view lie) {
    StateIndex index = truth.index;
    REQUIRE(testing::find_forgery(lie)->apply(index, truth));
    return compare_index(index, truth.index);
  }
  bool names(const std::vector<Problem>& problems, const std::string& words) {
    for (const Problem& problem : problems) {
      if (problem.message.find(words) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an index of the stream has nothing wrong with it", "[state]") {
  CHECK(compare_index(truth.index, testing::index_of(stream.bytes())).empty());
  auto bytes = serialise(truth.index);
  REQUIRE(bytes);
  auto memory = make_random_memory(*bytes);
  auto read = IndexReader::open(*memory)->read();
  REQUIRE(read);
  CHECK(compare_index(*read, truth.index).empty());
}

TEST_CASE_METHOD(Fixture, "every lie is found", "[state]") {
  for (const testing::Forgery& forgery : testing::forgeries()) {
    INFO(forgery.name);
    CHECK_FALSE(problems_of(forgery.name).empty());
  }
}

TEST_CASE_METHOD(Fixture, "an index that contradicts itself is not read", "[state]") {
  for (const testing::Forgery& forgery : testing::forgeries()) {
    INFO(forgery.name);
    StateIndex index = truth.index;
    REQUIRE(forgery.apply(index, truth));
    auto bytes = serialise(index);
    REQUIRE(bytes);
    auto memory = make_random_memory(*bytes);
    auto read = IndexReader::open(*memory)->read();
    // The length of a stream is for the one to compare who has it.
    CHECK(static_cast<bool>(read) == (!forgery.is_dropped || forgery.name == "shorter"));
  }
}

TEST_CASE_METHOD(Fixture, "the first page that differs is named with both places", "[state]") {
  uint64_t first = truth.index.pages->find(0, 0)->offset();
  uint64_t last = truth.index.pages->find(1, 1)->offset();
  CHECK(names(
      problems_of("drop-data"),
      fmt::format("page 0x0 of RAM block 'pc.ram' is at nowhere, in the stream at {:#x} (data)",
                  first)));
  CHECK(
      names(problems_of("swap-pages"),
            fmt::format("page 0x1000 of RAM block 'vga' is at {:#x} (data), in the stream at {:#x}",
                        first, last)));
  CHECK(names(problems_of("zero"), "(zero), in the stream at"));
  CHECK(names(problems_of("deltas"), "its delta 0 is"));
  CHECK(names(problems_of("left-out-record"), "its table of records differs from entry"));
}

TEST_CASE("runs that are cut otherwise are the same pages", "[state]") {
  auto index_with = [](PageRuns runs) {
    StateIndex index;
    index.facts.complete = true;
    index.facts.blocks = {{.block = {.name = "pc.ram", .used_length = 8 * kPage}}};
    index.pages = PageMap(kPage, {std::move(runs)}, {});
    return index;
  };
  auto run = [](uint64_t page, uint32_t count, uint64_t offset, uint32_t stride = 4104) {
    return PageRun{page, count, stride, PagePlace(PageKind::Data, 0, offset)};
  };
  StateIndex whole = index_with({run(0, 8, 100)});
  CHECK(compare_index(index_with({run(0, 3, 100), run(3, 5, 100 + 3 * 4104)}), whole).empty());
  CHECK(compare_index(index_with({run(0, 1, 100, 7), run(1, 7, 100 + 4104)}), whole).empty());
  auto message = [&](PageRuns runs) {
    auto problems = compare_index(index_with(std::move(runs)), whole);
    REQUIRE(problems.size() == 1);
    return problems[0].message;
  };
  CHECK(message({run(0, 8, 100, 4105)}).find("page 0x1000 ") != std::string::npos);
  CHECK(message({run(0, 7, 100)}).find("page 0x7000 ") != std::string::npos);
  CHECK(message({run(2, 6, 100 + 2 * 4104)}).find("page 0x0 ") != std::string::npos);
  CHECK(message({run(0, 2, 100), run(3, 5, 100 + 3 * 4104)}).find("page 0x2000 ") !=
        std::string::npos);
}

TEST_CASE("pieces of a file are compared one by one", "[state]") {
  BlockTable found;
  for (uint32_t packed : {10u, 20u, 30u}) REQUIRE(found.append(100, packed, 1));
  CHECK(compare_blocks(found, found).empty());
  BlockTable fewer;
  REQUIRE(fewer.append(100, 10, 1));
  REQUIRE(fewer.append_gap(20));
  REQUIRE(fewer.append(100, 30, 1));
  auto problems = compare_blocks(fewer, found);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message ==
        "index: piece 1 of the file is at 0x1e with 30 bytes for 100, wanted 0xa with 20 bytes for "
        "100 as in the file");
  CHECK(problems[0].offset == 100);
}

TEST_CASE_METHOD(Fixture, "an absent page is no zero page", "[state]") {
  StateIndex index = truth.index;
  REQUIRE(testing::find_forgery("drop-one")->apply(index, truth));
  auto plain = make_random_memory(stream.bytes());
  auto whole = RamImage::make(*plain, truth.index);
  auto forged = RamImage::make(*plain, index);
  REQUIRE((whole && forged));
  CHECK(whole->kind_of(0, 2) == PageKind::Zero);
  CHECK(whole->kind_of(0, 4) == PageKind::Fill);
  CHECK(whole->count_absent(0) + whole->count_absent(1) == 0);
  CHECK(forged->count_absent(0) + forged->count_absent(1) == 1);
  size_t absent = 0;
  for (uint64_t page = 0; page < 6; ++page) absent += forged->kind_of(0, page) ? 0u : 1u;
  CHECK(absent == forged->count_absent(0));
}

}  // namespace vmstream
