// SPDX-License-Identifier: MIT
#include "guest/lazy/served_blocks.h"

#include "guest/lazy/latency_histogram.h"
#include "support/catch.h"

using namespace vmstream;
using namespace std::chrono_literals;

namespace {

ServedBlock block_of(uint64_t pages, uint64_t unit_pages = 1) {
  return {"pc.ram", pages, unit_pages, unit_pages * 4096, unit_pages > 1};
}

PageRun run_of(uint64_t page, uint32_t count, uint64_t offset, PageKind kind = PageKind::Data) {
  return {page, count, 4104, PagePlace(kind, 0, offset)};
}

StateIndex index_of(uint64_t length) {
  StateIndex index;
  index.facts.blocks.push_back({.block = {.name = "pc.ram", .used_length = length}});
  index.pages.emplace(4096, std::vector<PageRuns>(1), std::deque<PageDelta>());
  return index;
}

}  // namespace

TEST_CASE("the monitor's table of RAM blocks tells their page sizes", "[guest][lazy]") {
  auto pages = parse_host_pages(
      "              Block Name    PSize              Offset               Used              "
      "Total\r\n"
      "                  pc.ram    2 MiB  0x0000000000000000 0x0000000004000000 0x4000000\r\n"
      "      a name with blanks    4 KiB  0x0000000004080000 0x0000000000020000 0x200000\r\n"
      "                     bad    4 XiB  0x0000000004080000\r\n");
  CHECK(pages == HostPages{{"pc.ram", 2u << 20}, {"a name with blanks", 4096}});
  CHECK(parse_host_pages("").empty());
  CHECK(parse_host_pages("0x").empty());
}

TEST_CASE("a block is filled in units of the destination's pages", "[guest][lazy]") {
  auto blocks = served_blocks(index_of(5u << 20), {{"pc.ram", 2u << 20}});
  REQUIRE(blocks);
  CHECK((*blocks)[0].unit_pages == 512);
  CHECK((*blocks)[0].unit_count() == 3);
  CHECK((*blocks)[0].pages_of(1) == 512);
  CHECK((*blocks)[0].pages_of(2) == 256);
  CHECK((*blocks)[0].is_huge);
  auto common = served_blocks(index_of(5u << 20), {});
  REQUIRE(common);
  CHECK((*common)[0].unit_pages == 1);
  CHECK_FALSE((*common)[0].is_huge);
  auto too_large = served_blocks(index_of(5u << 20), {{"pc.ram", 1u << 30}});
  REQUIRE_FALSE(too_large);
  CHECK(too_large.error().code == Errc::Unsupported);
}

TEST_CASE("an index that claims more RAM than there can be is refused", "[guest][lazy]") {
  for (uint64_t length : {UINT64_MAX, UINT64_MAX - 4095, uint64_t{1} << 44}) {
    auto blocks = served_blocks(index_of(length), {});
    REQUIRE_FALSE(blocks);
    CHECK(blocks.error().code == Errc::Unsupported);
    CHECK(blocks.error().message ==
          "the RAM has more than 2147483648 pages, the limit of a lazy restore");
  }
}

TEST_CASE("the ledger knows what is left", "[guest][lazy]") {
  std::vector<ServedBlock> blocks{block_of(10)};
  DeliveryLedger ledger(blocks);
  ledger.want({0, 2, 3});
  ledger.want({0, 4, 1});  // again
  CHECK(ledger.left_bytes() == 3 * 4096);
  ledger.mark(0, 3);
  ledger.mark(0, 3);
  ledger.mark(0, 9);  // not wanted: zeros that were asked for
  CHECK(ledger.left_bytes() == 2 * 4096);
  CHECK(ledger.is_delivered(0, 3));
  CHECK(ledger.is_delivered(0, 9));
  CHECK_FALSE(ledger.is_delivered(0, 2));
}

TEST_CASE("a unit counts as received with all of its pages", "[guest][lazy]") {
  std::vector<ServedBlock> blocks{block_of(10, 4)};
  DeliveryLedger ledger(blocks);
  std::vector<std::byte> bitmap{std::byte{0xdf}, std::byte{0x03}};  // all but page 5
  REQUIRE(ledger.mark_received(0, blocks[0], bitmap));
  CHECK(ledger.is_delivered(0, 0));
  CHECK_FALSE(ledger.is_delivered(0, 1));
  CHECK(ledger.is_delivered(0, 2));  // two pages, cut by the block's end
  CHECK_FALSE(ledger.mark_received(0, blocks[0], std::span(bitmap).first(1)));
}

TEST_CASE("units stand in the order of the file, without zeros", "[guest][lazy]") {
  PageRuns runs{run_of(0, 2, 9000), run_of(2, 5, 100, PageKind::Zero), run_of(7, 1, 500)};
  PageMap map(4096, {runs}, {});
  CHECK(units_in_file_order(map, {block_of(10)}) == std::vector<UnitRange>{{0, 7, 1}, {0, 0, 2}});
  // Of units that hold several runs each comes once.
  PageRuns mixed{run_of(1, 1, 9000), run_of(3, 4, 100), run_of(11, 1, 50)};
  PageMap second(4096, {mixed}, {});
  CHECK(units_in_file_order(second, {block_of(12, 4)}) ==
        std::vector<UnitRange>{{0, 2, 1}, {0, 1, 1}, {0, 0, 1}});
}

TEST_CASE("times are known to an eighth", "[guest][lazy]") {
  LatencyHistogram times;
  CHECK(times.quantile(0.5).count() == 0);
  for (int i = 1; i <= 1000; ++i) times.add(i * 10us);
  CHECK(times.count() == 1000);
  CHECK(times.quantile(0.5).count() == Approx(5e-3).epsilon(0.13));
  CHECK(times.quantile(0.99).count() == Approx(9.9e-3).epsilon(0.13));
  CHECK(times.quantile(1).count() == 10e-3);
  CHECK(times.worst().count() == 10e-3);
  times.add(std::chrono::hours(1000));
  CHECK(times.worst() == std::chrono::hours(1000));
}
