// SPDX-License-Identifier: MIT
// An index answers only where the stream bears it out.
#include <vmstream/indexing.h>
#include <vmstream/partial_reading.h>
#include "state/index_comparison.h"

#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

constexpr size_t kPage = 4096;

// One pass over two blocks.
testing::StreamBuilder one_pass() {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 3 * kPage}, {"vga", kPage}}).eos();
  stream.footer().part(2).page("pc.ram", 0, 1).fill_page("", kPage).page("", 2 * kPage, 3);
  return stream.page("vga", 0, 9).eos().footer().end(2).eos().footer().eof();
}

struct Fixture {
  testing::StreamBuilder stream = one_pass();
  std::unique_ptr<RandomSource> plain = make_random_memory(stream.bytes());
  StateIndex index = testing::index_of(stream.bytes());

  void move(size_t block, size_t run, PagePlace place) {
    std::vector<PageRuns> blocks{index.pages->runs(0), index.pages->runs(1)};
    blocks[block][run].place = place;
    index.pages = PageMap(kPage, std::move(blocks), {});
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "pages that stand where the index says are confirmed", "[analysis]") {
  CHECK(confirm_pages(index, plain.get()));
  CHECK(confirm_pages(index, nullptr));
  REQUIRE(usage_from(index));
  CHECK(usage_from(index)->blocks[0].absent_pages == 0);
}

TEST_CASE_METHOD(Fixture, "pages that stand elsewhere are not", "[analysis]") {
  SECTION("the first of a block") {
    move(0, 0, index.pages->find(0, 0)->later(1));
  }
  SECTION("one of another kind") {
    move(1, 0, PagePlace(PageKind::Zero, 0, index.pages->find(1, 0)->offset()));
  }
  SECTION("the last of a block") {
    move(0, index.pages->runs(0).size() - 1, *index.pages->find(0, 0));
  }
  SECTION("of another block list") {
    index.facts.blocks[1].block.name = "rom";
  }
  SECTION("of another stream") {
    ++index.facts.plain_bytes;
  }
  SECTION("nowhere, without a map") {
    index.pages.reset();
  }
  CHECK_FALSE(confirm_pages(index, plain.get()));
}

TEST_CASE("the index of a mapped-ram stream is that of its places", "[analysis]") {
  testing::StreamBuilder stream;
  stream.header().configuration("pc-10.0").capabilities({"mapped-ram"});
  stream.start(2, "ram", 4).be64(3 * kPage | 4).mapped_block("pc.ram", {7, 0, 9}).eos().footer();
  stream.end(2).eos().footer().device(3, "timer", "0123456789").eof();
  auto plain = make_random_memory(stream.bytes());
  auto index_with = [&](MappedPages pages) {
    IndexBuilder builder;
    auto scan = scan_seekable(*plain, builder, {.mapped_pages = pages});
    REQUIRE(scan.complete());
    return builder.finish(scan.plain_bytes, scan.stream_bytes, true);
  };
  StateIndex by_places = index_with(MappedPages::Places);
  StateIndex by_content = index_with(MappedPages::Content);
  CHECK(by_places.facts.blocks[0].account == PageAccount{.sent = 3, .absent = 0});
  CHECK(compare_index(by_places, by_content).empty());
  CHECK(compare_index(by_content, by_places).empty());
}

TEST_CASE_METHOD(Fixture, "a summary takes absent pages from an index", "[analysis]") {
  RamBlockSummary summary;
  summary.block = index.facts.blocks[0].block;
  CHECK(count_absent_pages(summary, kPage) == 3);
  summary.pages.add(PageKind::Data, 3);
  CHECK(count_absent_pages(summary, kPage) == 0);
  summary.absent_pages = 2;  // a page was sent three times
  CHECK(count_absent_pages(summary, kPage) == 2);
}

}  // namespace vmstream
