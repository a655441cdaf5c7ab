// SPDX-License-Identifier: MIT
#include "state/page_collector.h"

#include <map>
#include <random>

#include "support/catch.h"

namespace vmstream {
namespace {

// Page records one behind the other, as a stream has them, and what each page's last word is.
class Sender {
 public:
  explicit Sender(uint64_t most_bytes = 64u << 20, uint32_t page_size = 4096)
      : collector(most_bytes), page_size_(page_size) {
    collector.set_block_count(2);
  }

  void send(size_t block, uint64_t page, PageKind kind, uint8_t fill = 0, size_t payload = 100) {
    static const std::vector<std::byte> kBytes(65536);
    if (kind == PageKind::Data) payload = page_size_;
    if (kind == PageKind::Zero || kind == PageKind::Fill) payload = 0;
    constexpr size_t kFields[] = {1, 1, 0, 3, 4};
    Page record{.block_offset = page * page_size_,
                .kind = kind,
                .fill = fill,
                .size = page_size_,
                .offset = end_,
                .payload_offset = end_ + 8 + kFields[static_cast<size_t>(kind)],
                .payload = std::span(kBytes).first(payload)};
    PagePlace place = PagePlace::of(record);
    if (kind == PageKind::Xbzrle) before_[place.offset()] = last_[{block, page}];
    last_[{block, page}] = place;
    collector.add(block, record);
    end_ = record.payload_offset + payload;
  }
  void skip(uint64_t bytes) { end_ += bytes; }

  // Holds the map against what was sent.
  PageMap check() {
    PageMap map = collector.take();
    CHECK(map.page_size() == page_size_);
    uint64_t pages = map.count_pages(0) + map.count_pages(1);
    CHECK(pages == last_.size());
    for (const auto& [key, place] : last_) {
      REQUIRE(map.find(key.first, key.second) == place);
      PagePlace at = place;
      while (at.kind() == PageKind::Xbzrle) {
        REQUIRE(map.find_before(at.offset()) == before_[at.offset()]);
        at = before_[at.offset()];
      }
    }
    return map;
  }

  PageCollector collector;

 private:
  uint32_t page_size_;
  uint64_t end_ = 100;
  std::map<std::pair<size_t, uint64_t>, PagePlace> last_;
  std::map<uint64_t, PagePlace> before_;
};

TEST_CASE("pages in a row are one run", "[state]") {
  Sender sender;
  for (uint64_t page = 0; page < 1000; ++page) sender.send(0, page, PageKind::Data);
  for (uint64_t page = 1000; page < 1500; ++page) sender.send(0, page, PageKind::Zero);
  for (uint64_t page = 0; page < 10; ++page) sender.send(1, page, PageKind::Fill, 0xff);
  PageMap map = sender.check();
  REQUIRE(map.runs(0).size() == 2);
  CHECK(map.runs(0)[0].stride == 4104);
  CHECK(map.runs(0)[1].stride == 9);
  REQUIRE(map.runs(1).size() == 1);
  CHECK(map.runs(1)[0].place.fill() == 0xff);
  CHECK_FALSE(map.find(0, 1500));
  CHECK_FALSE(map.find(1, 10));
}

TEST_CASE("a gap in the memory or in the stream ends a run", "[state]") {
  Sender sender;
  sender.send(0, 0, PageKind::Data);
  sender.send(0, 1, PageKind::Data);
  sender.send(0, 3, PageKind::Data);
  sender.send(0, 4, PageKind::Data);
  sender.skip(18);
  sender.send(0, 5, PageKind::Data);
  PageMap map = sender.check();
  CHECK(map.runs(0).size() == 3);
  CHECK_FALSE(map.find(0, 2));
}

TEST_CASE("a later pass overwrites a part of an earlier one", "[state]") {
  Sender sender;
  for (uint64_t page = 0; page < 100; ++page) sender.send(0, page, PageKind::Zero);
  for (uint64_t page = 40; page < 60; ++page) sender.send(0, page, PageKind::Data);
  for (uint64_t page = 50; page < 52; ++page) sender.send(0, page, PageKind::Fill, 7);
  CHECK(sender.check().runs(0).size() == 5);
}

TEST_CASE("pages in any order, again and again, end at their last word", "[state]") {
  std::mt19937 random(20261121);
  auto below = [&random](unsigned limit) { return random() % limit; };
  auto order = GENERATE(0, 1, 2);
  Sender sender;
  for (int pass = 0; pass < 12; ++pass) {
    for (uint64_t page = 0; page < 3000; ++page) {
      if (pass > 0 && below(3) == 0) continue;
      uint64_t number = page;
      if (order == 1) number = page ^ below(8);  // nearly ascending
      if (order == 2) number = below(3000);
      auto kind = static_cast<PageKind>(below(pass == 0 ? 3 : 5));
      auto fill = static_cast<uint8_t>(kind == PageKind::Fill ? 1 + below(2) : 0);
      sender.send(number % 7 == 0 ? 1 : 0, number, kind, fill, 1 + below(3));
    }
  }
  sender.check();
}

TEST_CASE("deltas of pages that were sent whole later are not kept", "[state]") {
  Sender sender;
  sender.send(0, 5, PageKind::Data);
  sender.send(0, 6, PageKind::Data);
  for (int i = 0; i < 3; ++i) {
    sender.send(0, 5, PageKind::Xbzrle);
    sender.send(0, 6, PageKind::Xbzrle);
  }
  sender.send(0, 5, PageKind::Data);
  PageMap map = sender.check();
  CHECK(map.deltas().size() == 3);
}

TEST_CASE("zero pages are counted anew when the page size shows", "[state]") {
  auto [guess, real] = GENERATE(table<uint32_t, uint32_t>({{4096, 1024}, {4096, 8192}}));
  PageCollector collector(1u << 20);
  collector.set_block_count(1);
  std::vector<std::byte> payload(real);
  uint64_t end = 100;
  for (uint64_t page = 0; page < 20; ++page) {
    collector.add(
        0, {.block_offset = page * real, .size = guess, .offset = end, .payload_offset = end + 9});
    end += 9;
  }
  collector.add(0, {.block_offset = 20 * real,
                    .kind = PageKind::Data,
                    .size = real,
                    .offset = end,
                    .payload_offset = end + 8,
                    .payload = payload});
  PageMap map = collector.take();
  CHECK(map.page_size() == real);
  CHECK(map.count_pages(0) == 21);
  for (uint64_t page = 0; page < 20; ++page) {
    CHECK(map.find(0, page) == PagePlace(PageKind::Zero, 0, 100 + 9 * page + 8));
  }
}

TEST_CASE("a map that grows too large is given up", "[state]") {
  Sender sender(24 * 1000);
  for (uint64_t page = 0; page < 5000; ++page) {
    sender.send(0, page, page % 2 == 0 ? PageKind::Zero : PageKind::Data);
  }
  REQUIRE(sender.collector.given_up());
  CHECK(*sender.collector.given_up() == "more than 24000 bytes");
}

TEST_CASE("deltas count towards the memory of a map", "[state]") {
  Sender sender(24 * 1000);
  for (int i = 0; i < 5000; ++i) sender.send(0, 1, PageKind::Xbzrle);
  CHECK(sender.collector.given_up());
}

}  // namespace
}  // namespace vmstream
