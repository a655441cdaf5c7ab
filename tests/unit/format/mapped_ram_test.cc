// SPDX-License-Identifier: MIT
// mapped-ram: the byte order of its bitmaps, and what a reader by position may pass over.
#include <vmstream/parser.h>

#include <algorithm>

#include "support/catch.h"
#include "support/event_log.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

using Pages = std::vector<uint8_t>;
constexpr size_t kPage = 4096;

// Pages at these places, the rest absent.
Pages pages_at(size_t count, std::initializer_list<size_t> stored) {
  Pages pages(count);
  for (size_t index : stored) pages[index] = static_cast<uint8_t>(index + 1);
  return pages;
}

StreamBuilder open_mapped(uint64_t pages) {
  StreamBuilder stream;
  stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
  stream.be64((pages * kPage) | 4);
  return stream;
}

StreamBuilder& close(StreamBuilder& stream) {
  return stream.eos().footer().end(2).eos().footer().eof();
}

StreamBuilder mapped(const Pages& pages, std::endian order) {
  auto stream = open_mapped(pages.size());
  stream.mapped_block("a", pages, order);
  return close(stream);
}

// The pages that a stream has, by their place in one row of all blocks.
class StoredPages final : public StreamVisitor {
 public:
  std::vector<size_t> stored;
  std::vector<uint64_t> payload_bytes;
  size_t count = 0;

  Status on_page(const Page& page) override {
    if (page.kind == PageKind::Data) stored.push_back(count);
    payload_bytes.push_back(page.payload.size());
    ++count;
    return ok();
  }
};

std::vector<size_t> stored_in(StreamBuilder& stream, size_t piece) {
  StoredPages visitor;
  auto status = parse_in_pieces(stream.bytes(), piece, visitor);
  INFO((status ? "" : describe(status.error())));
  REQUIRE(status);
  return visitor.stored;
}

// Feeds what the parser does not offer to skip; says how many bytes it was.
uint64_t read_by_position(StreamBuilder& stream, StreamVisitor& visitor, MappedPages pages) {
  StreamParser parser(visitor, {}, {.mapped_pages = pages});
  std::span<const std::byte> bytes = stream.bytes();
  uint64_t fed = 0;
  while (parser.offset() < bytes.size()) {
    if (uint64_t skip = parser.skippable()) {
      REQUIRE(parser.skip(skip));
      continue;
    }
    auto rest = bytes.subspan(static_cast<size_t>(parser.offset()));
    auto piece = rest.first(std::min<size_t>(std::max<size_t>(parser.wanted(), 1), rest.size()));
    REQUIRE(parser.feed(piece));
    fed += piece.size();
  }
  REQUIRE(parser.finish());
  return fed;
}

}  // namespace

TEST_CASE("bitmaps of either byte order are read", "[format]") {
  auto order = GENERATE(std::endian::little, std::endian::big);
  auto piece = GENERATE(size_t{1} << 20, size_t{4096}, size_t{1000});
  SECTION("told by the bits behind the last page") {
    auto stream = mapped(pages_at(70, {0, 5, 64, 69}), order);
    CHECK(stored_in(stream, piece) == std::vector<size_t>{0, 5, 64, 69});
  }
  SECTION("told by pages that are all zero") {
    auto stream = mapped(pages_at(128, {3, 64, 65}), order);
    CHECK(stored_in(stream, piece) == std::vector<size_t>{3, 64, 65});
  }
  SECTION("told once for all blocks, though later ones read well in both orders") {
    Pages first = pages_at(64, {1});
    Pages later(64, 7);  // full of old content, of which one page counts
    auto stream = open_mapped(128);
    stream.mapped_block("a", first, order);
    size_t bitmap = stream.size() + 2 + 8 + 28;
    stream.mapped_block("b", later, order);
    std::fill_n(stream.bytes().begin() + static_cast<ptrdiff_t>(bitmap), 8, std::byte{0});
    stream.bytes()[bitmap + (order == std::endian::big ? 7 : 0)] = std::byte{1};
    CHECK(stored_in(close(stream), piece) == std::vector<size_t>{1, 64});
  }
}

TEST_CASE("where nothing tells the byte order of a bitmap it is little endian", "[format]") {
  auto stream = open_mapped(64);
  size_t bitmap = stream.size() + 2 + 8 + 28;
  stream.mapped_block("a", Pages(64, 7));
  std::fill_n(stream.bytes().begin() + static_cast<ptrdiff_t>(bitmap), 8, std::byte{0});
  stream.bytes()[bitmap] = std::byte{0x80};
  CHECK(stored_in(close(stream), 1 << 20) == std::vector<size_t>{7});
}

TEST_CASE("a reader by position passes over what a mapped-ram stream lacks", "[format]") {
  auto order = GENERATE(std::endian::little, std::endian::big);
  constexpr size_t kPages = 1024;
  auto stream = open_mapped(kPages + 3);
  stream.mapped_block("a", pages_at(kPages, {0, 1, 200, 201, 1022}), order);
  stream.mapped_block("b", pages_at(3, {1}), order);
  close(stream);
  std::vector<size_t> stored = {0, 1, 200, 201, 1022, kPages + 1};
  constexpr uint64_t kJudged = 64 * kPage;  // looked at to find the byte order
  constexpr uint64_t kAround = 1000;        // everything but pages

  StoredPages seen;
  SECTION("for the pages") {
    uint64_t fed = read_by_position(stream, seen, MappedPages::Content);
    CHECK(seen.stored == stored);
    for (size_t page : stored) CHECK(seen.payload_bytes[page] == kPage);
    CHECK(fed < kJudged + 4 * kPage + kAround);
  }
  SECTION("for their places") {
    uint64_t fed = read_by_position(stream, seen, MappedPages::Places);
    CHECK(seen.stored == stored);
    CHECK(fed < kJudged + kAround);
  }
  SECTION("for neither") {
    uint64_t fed = read_by_position(stream, seen, MappedPages::None);
    CHECK(seen.count == 0);
    CHECK(fed < kAround);
    return;
  }
  CHECK(seen.count == kPages + 3);
}

TEST_CASE("only what may be passed over can be", "[format]") {
  auto stream = mapped(pages_at(64, {2}), std::endian::little);
  StreamVisitor visitor;
  StreamParser parser(visitor);
  size_t bitmap = open_mapped(64).size() + 2 + 8 + 28;
  REQUIRE(parser.feed(std::span(stream.bytes()).first(bitmap)));
  CHECK(parser.skippable() == 0);
  auto refused = parser.skip(8);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::Usage);
  REQUIRE(parser.feed(std::span(stream.bytes()).subspan(bitmap, 8)));
  CHECK(parser.skippable() == 100);  // the gap; behind it the order is to be found out
  CHECK_FALSE(parser.skip(99));
  CHECK(parser.skip(100));
}
