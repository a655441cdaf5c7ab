// SPDX-License-Identifier: MIT
// What the table keeps in runs against what a plain map keeps.
#include "analysis/ram/page_table.h"

#include <map>
#include <random>

#include "support/catch.h"

using namespace vmstream;

namespace {

constexpr uint32_t kPage = 4096;
using Plain = std::map<uint64_t, PageEntry>;

Plain entries_of(const PageTable& table) {
  Plain entries;
  table.each_run([&](uint64_t first, uint64_t count, PageEntry entry) {
    for (uint64_t page = first; page < first + count; ++page) entries[page] = entry;
  });
  return entries;
}

}  // namespace

TEST_CASE("runs give back each page, whatever the order of sending", "[analysis]") {
  PageTable table(kPage);
  Plain expected;
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    uint64_t page = random() % 5000;
    auto kind = static_cast<PageKind>(random() % 5);
    table.at(page * kPage).send(kind);
    expected[page].send(kind);
  }
  CHECK(entries_of(table) == expected);
  for (uint64_t page = 0; page < 6000; ++page) {
    CHECK(table.get(page * kPage) == (expected.contains(page) ? expected[page] : PageEntry()));
  }
  CHECK(table.bytes() < 5000 * 5);
}

TEST_CASE("a guest whose pages were all sent alike costs next to nothing", "[analysis]") {
  PageTable table(kPage);
  constexpr uint64_t kPages = 1 << 18;  // 1 GiB
  for (uint64_t page = 0; page < kPages; ++page) table.at(page * kPage).send(PageKind::Zero);
  CHECK(table.bytes() < kPages / 8);
  CHECK(table.get((kPages - 1) * kPage).times() == 1);
  CHECK(entries_of(table).size() == kPages);
}

TEST_CASE("a better page size moves the entries", "[analysis]") {
  PageTable table(kPage);
  for (uint64_t page : {0u, 1u, 3000u}) table.at(page * kPage).send(PageKind::Data);
  table.set_page_size(1024);
  auto entries = entries_of(table);
  CHECK(entries.size() == 3);
  for (uint64_t page : {0u, 4u, 12000u}) CHECK(entries[page].times() == 1);
}

// Each change of the page size moves all that is in the tables.
TEST_CASE("records that contradict each other change the page size a few times only",
          "[analysis]") {
  PageSizeGuess guess;
  size_t changes = 0;
  for (int i = 0; i < 1000; ++i) {
    changes += guess.refine({.kind = PageKind::Data, .size = 4096});
    changes += guess.refine({.block_offset = 1024, .kind = PageKind::Zero, .size = 4096});
  }
  CHECK(changes > 1);
  CHECK(changes <= 32);
}
