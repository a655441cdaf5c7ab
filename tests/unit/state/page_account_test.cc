// SPDX-License-Identifier: MIT
// An index accounts for every page.
#include "state/page_account.h"

#include "state/index_tables.h"
#include "support/catch.h"
#include "support/state_files.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

constexpr size_t kPage = 4096;

// Three of eight pages are sent, one of them twice.
StateIndex small_index() {
  testing::StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 8 * kPage}, {"rom", kPage}}).eos();
  stream.footer().part(2).page("pc.ram", 0, 1).page("", kPage, 2).fill_page("", 5 * kPage);
  stream.page("", 0, 3).eos().footer().end(2).eos().footer().eof();
  return testing::index_of(stream.bytes());
}

Result<StateIndex> read_back(const StateIndex& index) {
  auto bytes = serialise(index);
  REQUIRE(bytes);
  auto memory = make_random_memory(*bytes);
  auto reader = IndexReader::open(*memory);
  REQUIRE(reader);
  return reader->read();
}

std::string fault_of(const StateIndex& index) {
  auto read = read_back(index);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::Malformed);
  return read.error().message;
}

}  // namespace

TEST_CASE("pages are counted, sent and absent", "[state]") {
  auto read = read_back(small_index());
  REQUIRE(read);
  CHECK(read->facts.blocks[0].account == PageAccount{.sent = 3, .absent = 5});
  CHECK(read->facts.blocks[1].account == PageAccount{.sent = 0, .absent = 1});
  CHECK(read->facts.page_map_sha256 == page_map_sha256(write_pages(*read->pages), {}));
  CHECK(read->facts.page_map_sha256.size() == 64);
}

TEST_CASE("a map that does not add up is not read", "[state]") {
  StateIndex index = small_index();
  SECTION("fewer were sent") {
    --index.facts.blocks[0].account->sent;
    CHECK(fault_of(index) ==
          "index: of the 8 pages of RAM block 'pc.ram' its map has 3, its facts count 2 sent and 5 "
          "absent");
  }
  SECTION("more are absent") {
    index.facts.blocks[1].account->absent = 2;
    CHECK(fault_of(index).find("of the 1 pages of RAM block 'rom'") != std::string::npos);
  }
  SECTION("of another digest") {
    index.facts.page_map_sha256[0] ^= 1;
    CHECK(fault_of(index).starts_with("index: its page map has SHA-256"));
  }
  SECTION("more pages than records of the kind") {
    index.facts.blocks[0].records[static_cast<size_t>(PageKind::Zero)] = 0;
    CHECK(fault_of(index) ==
          "index: its map has 1 zero pages of RAM block 'pc.ram', its facts count 0");
  }
  SECTION("pages behind the end") {
    index.facts.blocks[0].block.used_length = 3 * kPage;
    CHECK(fault_of(index) == "index: pages behind the end of RAM block 'pc.ram'");
  }
  SECTION("another number of blocks") {
    index.facts.blocks.pop_back();
    CHECK(fault_of(index) == "index: pages of 2 RAM blocks, 1 are listed");
  }
}

TEST_CASE("an index of a maker that keeps no account is read", "[state]") {
  StateIndex index = small_index();
  index.facts.page_map_sha256.clear();
  for (IndexedBlock& block : index.facts.blocks) {
    block.account.reset();
    block.records = {};
  }
  auto read = read_back(index);
  REQUIRE(read);
  CHECK_FALSE(read->facts.blocks[0].account);
  CHECK(*read->pages == *index.pages);
}

}  // namespace vmstream
