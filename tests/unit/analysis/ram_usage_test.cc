// SPDX-License-Identifier: MIT
// Passes and page sizes as streams show them. What the command prints is tested from outside.
#include <vmstream/ram_usage.h>

#include <initializer_list>
#include <vector>

#include <vmstream/stream_scan.h>
#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

constexpr uint64_t kPage = 4096;

RamUsage usage_of(const StreamBuilder& stream) {
  StreamBuilder whole = stream;
  whole.eos().footer().end(1).eos().footer().eof();
  RamUsageCollector collector;
  auto source = make_memory_source(whole.bytes());
  auto scan = scan_stream(*source, collector);
  REQUIRE(scan.complete());
  return collector.finish();
}

StreamBuilder open_ram(const std::vector<std::pair<std::string, uint64_t>>& blocks) {
  StreamBuilder stream;
  stream.header().start(1, "ram", 4).ram_blocks(blocks).eos().footer().part(1);
  return stream;
}

std::vector<uint64_t> pages_of(const RamUsage& usage) {
  std::vector<uint64_t> pages;
  for (const RamPass& pass : usage.passes) pages.push_back(pass.pages);
  return pages;
}

StreamBuilder& send(StreamBuilder& stream, std::initializer_list<uint64_t> pages) {
  for (uint64_t page : pages) stream.page("a", page * kPage, 1);
  return stream;
}

}  // namespace

TEST_CASE("a pass begins where the offset does not go on", "[analysis]") {
  auto stream = open_ram({{"a", 8 * kPage}, {"b", 8 * kPage}});
  send(stream, {0, 1, 2, 3, 4, 5, 6, 7});
  stream.page("b", 0, 1).page("b", kPage, 1);
  send(stream, {3}).page("b", 0, 1).page("b", 0, 2);  // the last one again at once
  auto usage = usage_of(stream);
  CHECK(pages_of(usage) == std::vector<uint64_t>{10, 2, 1});
  CHECK(usage.resends == std::vector<uint64_t>{8, 1, 1});
  CHECK(usage.blocks[1].absent_pages == 6);
  CHECK(usage.blocks[1].resent_pages == 1);
}

TEST_CASE("a background snapshot is one pass, whatever the guest writes to", "[analysis]") {
  auto stream = open_ram({{"a", 16 * kPage}});
  send(stream, {0, 1, 9, 5, 4, 2, 3, 6, 14, 7, 8, 10});
  CHECK(pages_of(usage_of(stream)) == std::vector<uint64_t>{12});
}

TEST_CASE("compression threads are out of order within a pass", "[analysis]") {
  auto stream = open_ram({{"a", 256 * kPage}});
  auto send_compressed = [&](uint64_t page) {
    stream.page_head("a", page * kPage, 0x100).be32(1).be8(0);
  };
  for (uint64_t page : {0u, 2u, 1u, 3u, 5u, 4u}) send_compressed(page);
  for (uint64_t page : {1u, 0u, 3u, 200u}) send_compressed(page);  // 1 was sent: another pass
  send_compressed(2);                                              // too far back
  CHECK(pages_of(usage_of(stream)) == std::vector<uint64_t>{6, 4, 1});
}

TEST_CASE("what a running guest asks for is one last pass", "[analysis]") {
  auto stream = open_ram({{"a", 8 * kPage}});
  send(stream, {0, 1, 2, 3, 4, 5, 6, 7}).eos().footer();
  stream.command(5).part(1);
  send(stream, {6, 2, 4, 3});
  auto usage = usage_of(stream);
  CHECK(pages_of(usage) == std::vector<uint64_t>{8, 4});
  CHECK(usage.postcopy);
}

TEST_CASE("pages are counted right although their size shows late", "[analysis]") {
  uint64_t page = GENERATE(1024u, 8192u);
  auto stream = open_ram({{"a", 8 * page}});
  for (uint64_t i = 0; i < 7; ++i) stream.fill_page("a", i * page);
  stream.page("a", 7 * page, 1, page);
  auto usage = usage_of(stream);
  CHECK(usage.page_size == page);
  CHECK(usage.blocks[0].block_pages == 8);
  CHECK(usage.blocks[0].absent_pages == 0);
  CHECK(usage.resends == std::vector<uint64_t>{8});
}

TEST_CASE("a picture has few cells, whatever the size of the block", "[analysis]") {
  auto stream = open_ram({{"a", uint64_t{1} << 50}});
  stream.page("a", 0, 1).page("a", (uint64_t{1} << 50) - kPage, 1);
  auto usage = usage_of(stream);
  const auto& map = usage.blocks[0].map;
  CHECK(map.size() == RamUsage::kMostCells);
  CHECK(map.front() == RamCell::Data);
  CHECK(map[1] == RamCell::Absent);
  CHECK(map.back() == RamCell::Data);
  CHECK(usage.table_bytes <= 4096);
}

TEST_CASE("passes are told apart up to a limit, which is said", "[analysis]") {
  auto stream = open_ram({{"a", 8 * kPage}});
  for (size_t i = 0; i < kMostPasses + 10; ++i) stream.fill_page("a", 0);
  auto usage = usage_of(stream);
  REQUIRE(usage.passes.size() == kMostPasses);
  CHECK(usage.passes.back().pages == 11);
  REQUIRE(usage.problems.total() == 1);
  CHECK(usage.problems.damage() == 0);
  CHECK(usage.problems.kept()[0].message.find("more than 65536 passes") != std::string::npos);
}
