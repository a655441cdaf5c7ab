// SPDX-License-Identifier: MIT
// The parts of a guest as one stream: what comes of whole ones, and what is said of others.
#include "state/multifd/joined_source.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <vmstream/parser.h>
#include "support/catch.h"
#include "support/channel_builder.h"
#include "support/every.h"
#include "support/read_all.h"

using namespace vmstream;
using namespace testing;

namespace {

using Bytes = std::vector<std::byte>;

constexpr uint64_t kGuestPage = ChannelBuilder::kPageBytes;
constexpr size_t kPieceBytes = 1 << 20;

// Page by page what a guest holds; the last record of a page wins. Marks for channels are counted.
class Memory final : public StreamVisitor {
 public:
  Status on_page(const Page& page) override {
    char content = page.kind == PageKind::Zero ? '0' : static_cast<char>(page.payload[0]);
    pages[page.block->name + "/" + std::to_string(page.block_offset / kGuestPage)] = content;
    ++records;
    return ok();
  }
  Status on_ram_mark(RamMark mark, uint64_t) override {
    flushes += mark == RamMark::MultifdFlush;
    return ok();
  }

  std::map<std::string, char> pages;
  size_t records = 0;
  size_t flushes = 0;
};

// The guest of channel_builder.h.
const std::map<std::string, char> kTruth{{"pc.ram/0", 'a'}, {"pc.ram/1", 'b'}, {"pc.ram/2", 'c'},
                                         {"pc.ram/3", 'd'}, {"pc.ram/4", '0'}, {"pc.ram/5", '0'},
                                         {"rom/0", 'a'}};

// Gives its bytes in pieces of any size.
class PieceSource final : public ByteSource {
 public:
  PieceSource(const Bytes& bytes, size_t piece) : rest_(bytes), piece_(piece) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min({into.size(), rest_.size(), piece_});
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> rest_;
  size_t piece_;
};

Result<Bytes> join(const Bytes& main, const std::vector<Bytes>& channels,
                   const Bytes* preempt = nullptr, size_t piece = kPieceBytes) {
  auto part = [&](std::string name, const Bytes& bytes) {
    return GuestPart{std::move(name), std::make_unique<PieceSource>(bytes, piece)};
  };
  JoinedParts parts{.main = part("main", main)};
  for (size_t i = 0; i < channels.size(); ++i) {
    parts.page_channels.push_back(part("part" + std::to_string(i), channels[i]));
  }
  if (preempt) parts.preempt_channel = part("urgent", *preempt);
  return read_all(*make_joined_source(std::move(parts)), piece);
}

Memory memory_of(const Bytes& stream) {
  Memory memory;
  auto source = make_memory_source(stream);
  REQUIRE(parse_stream(*source, memory));
  return memory;
}

std::vector<Bytes> channels_of(Packing packing = Packing::None) {
  return {multifd_channel(0, packing), multifd_channel(1, packing)};
}

Error fault_of(const Bytes& main, const std::vector<Bytes>& channels,
               const Bytes* preempt = nullptr) {
  auto joined = join(main, channels, preempt);
  REQUIRE_FALSE(joined);
  return joined.error();
}

// The main stream, with records between two marks of a flush as later releases send them.
StreamBuilder marked_main() {
  StreamBuilder stream;
  stream.header().configuration("pc-i440fx-7.2").start(1, "ram", 4);
  stream.ram_blocks({{"pc.ram", 6 * kGuestPage}, {"rom", kGuestPage}}).be64(0x200).eos().footer();
  stream.part(1).fill_page("pc.ram", 5 * kGuestPage).eos().footer();
  stream.part(1).be64(0x200).fill_page("", 4 * kGuestPage).eos().footer();
  return std::move(stream.end(1).eos().footer().eof());
}

}  // namespace

TEST_CASE("the parts of a multifd guest are one stream", "[state]") {
  Bytes main = multifd_main().bytes();
  for (Packing packing : {Packing::None, Packing::Zlib, Packing::Zstd}) {
    auto joined = join(main, channels_of(packing));
    REQUIRE(joined);
    auto memory = memory_of(*joined);
    CHECK(memory.pages == kTruth);
    CHECK(memory.records == kTruth.size());
    auto slow = join(main, channels_of(packing), nullptr, 7);
    REQUIRE(slow);
    CHECK((*slow == *joined));
  }
  auto of_new_sender = join(main, {new_multifd_channel(0), new_multifd_channel(1)});
  REQUIRE(of_new_sender);
  CHECK(memory_of(*of_new_sender).pages == kTruth);
}

TEST_CASE("the order in which the channels are given does not matter", "[state]") {
  Bytes main = multifd_main().bytes();
  auto channels = channels_of();
  auto joined = join(main, channels);
  std::ranges::reverse(channels);
  auto other = join(main, channels);
  REQUIRE(joined);
  REQUIRE(other);
  CHECK((*joined == *other));
}

TEST_CASE("marks for other connections go, and pages name their blocks", "[state]") {
  auto joined = join(marked_main().bytes(), {new_multifd_channel(0), new_multifd_channel(1)});
  REQUIRE(joined);
  auto memory = memory_of(*joined);
  CHECK(memory.flushes == 0);
  CHECK(memory.pages == kTruth);
  CHECK(memory.records == kTruth.size() + 1);  // a page in two intervals
}

TEST_CASE("pages of an interval stand where the main stream waits for them", "[state]") {
  ChannelBuilder channel(0);
  channel.new_sync(0).packet({.number = 1, .block = "rom", .pages = {0}}).new_sync(2);
  channel.packet({.number = 3, .block = "rom", .zeros = {0}}).new_sync(4);
  StreamBuilder main;
  main.header().configuration("pc-i440fx-7.2").start(1, "ram", 4);
  main.ram_blocks({{"rom", kGuestPage}}).eos().footer();
  main.part(1).eos().footer().end(1).eos().footer().device(2, "timer", "now").eof();
  auto joined = join(main.bytes(), {channel.bytes()});
  REQUIRE(joined);
  StreamBuilder wanted;
  wanted.header().configuration("pc-i440fx-7.2").start(1, "ram", 4);
  wanted.ram_blocks({{"rom", kGuestPage}}).eos().footer();
  wanted.part(1).page("rom", 0, 'a').eos().footer();
  wanted.end(1).fill_page("rom", 0).eos().footer().device(2, "timer", "now").eof();
  CHECK((*joined == wanted.bytes()));
}

TEST_CASE("a part that is missing, there twice or of another guest is told", "[state]") {
  Bytes main = multifd_main().bytes();
  auto check = [&](const std::vector<Bytes>& channels, const std::string& words) {
    Error error = fault_of(main, channels);
    CAPTURE(error.message);
    CHECK(error.code == Errc::Malformed);
    CHECK_FALSE(error.offset);
    CHECK(error.message.find(words) != std::string::npos);
  };
  auto whole = channels_of();
  check({whole[1]}, "channel 0 is missing, wanted all of 0 to 1");
  check({whole[0]}, "number");
  check({whole[0], whole[1], whole[0]}, "this is channel 0, which another part is");
  ChannelBuilder stranger(1, Packing::None, 0x77);
  check({whole[0], stranger.sync(1).bytes()},
        "part1: offset 0x8: the channel is of guest 77777777");
  ChannelBuilder beyond(1);
  beyond.sync(1).packet({.number = 3, .block = "pc.ram", .pages = {9}});
  check({whole[0], beyond.bytes()}, "page at 0x9000 of RAM block 'pc.ram'");
  ChannelBuilder nowhere(1);
  nowhere.sync(1).packet({.number = 3, .block = "none", .pages = {1}});
  check({whole[0], nowhere.bytes()}, "pages of RAM block 'none'");
}

TEST_CASE("a channel that is cut is told with its name and place", "[state]") {
  Bytes main = multifd_main().bytes();
  for (size_t cut : {size_t{0}, size_t{1}}) {
    auto whole = channels_of();
    for (size_t length = 0; length + ChannelBuilder::kHeaderBytes < whole[cut].size();
         length += testing::every() * 61) {
      CAPTURE(cut, length);
      auto channels = whole;
      channels[cut].resize(length);
      Error error = fault_of(main, channels);
      CHECK(is_stream_fault(error));
      CHECK(error.message.find("part" + std::to_string(cut)) == 0);
    }
  }
}

TEST_CASE("a main stream that is cut never makes a whole one", "[state]") {
  Bytes main = multifd_main().bytes();
  for (size_t length = 0; length < main.size(); ++length) {
    CAPTURE(length);
    auto joined = join(Bytes(main.begin(), main.begin() + ptrdiff_t(length)), channels_of());
    if (joined) {  // behind the memory the reader finds it
      Memory memory;
      auto source = make_memory_source(*joined);
      auto parsed = parse_stream(*source, memory);
      REQUIRE_FALSE(parsed);
      CHECK(parsed.error().code == Errc::Truncated);
      CHECK(memory.pages == kTruth);
    } else {
      CHECK(is_stream_fault(joined.error()));
      CHECK(joined.error().message.find("main: ") == 0);
    }
  }
}

TEST_CASE("state of devices and pages that are not unpacked are not read", "[state]") {
  Bytes main = multifd_main().bytes();
  ChannelBuilder device(0);
  Error error = fault_of(main, {device.sync(0).device("vfio", 0, 100).bytes()});
  CHECK(error.code == Errc::Unsupported);
  CHECK(error.message.find("device 'vfio'") != std::string::npos);
  ChannelBuilder packed(0, Packing::Qpl);
  packed.sync(0).packet({.number = 2, .block = "rom", .pages = {0}});
  error = fault_of(main, {packed.bytes()});
  CHECK(error.code == Errc::Unsupported);
  CHECK(error.message.find("packed by qpl, wanted none, zlib or zstd") != std::string::npos);
}

TEST_CASE("pages of a preempt channel stand at the end of the memory", "[state]") {
  StreamBuilder main;
  main.header().configuration("pc-i440fx-7.2").start(1, "ram", 4);
  main.ram_blocks({{"pc.ram", 6 * kGuestPage}, {"rom", kGuestPage}}).eos().footer();
  main.part(1).page("pc.ram", 0, 'a').page("", kGuestPage, 'b').eos().footer();
  main.end(1).eos().footer().eof();
  StreamBuilder urgent;
  urgent.page("pc.ram", 3 * kGuestPage, 'd').page("", 2 * kGuestPage, 'c').fill_page("rom", 0);
  auto pages = memory_of(main.bytes()).pages;
  pages.insert({{"pc.ram/3", 'd'}, {"pc.ram/2", 'c'}, {"rom/0", '0'}});
  auto check = [&](const Bytes& channel, size_t piece) {
    auto joined = join(main.bytes(), {}, &channel, piece);
    REQUIRE(joined);
    CHECK(memory_of(*joined).pages == pages);
  };
  check(urgent.bytes(), kPieceBytes);
  check(urgent.bytes(), 5);
  Bytes whole = urgent.bytes();
  for (size_t length = 1; length < whole.size(); length += testing::every() * 17) {
    Bytes cut(whole.begin(), whole.begin() + ptrdiff_t(length));
    auto joined = join(main.bytes(), {}, &cut);
    bool at_border = length == 4096 + 8 + 7 || length == 2 * 4096 + 8 + 7 + 8;
    CAPTURE(length);
    REQUIRE(bool(joined) == at_border);
    if (!joined) CHECK(joined.error().message.find("urgent: ") == 0);
  }
  check(urgent.eos().bytes(), kPieceBytes);
  check(urgent.bytes(), 3);
  Error error = fault_of(main.bytes(), {}, &urgent.be8(0).bytes());
  CHECK(error.message.find("bytes behind the end mark") != std::string::npos);
  StreamBuilder stranger;
  stranger.page("none", 0, 'x');
  CHECK(fault_of(main.bytes(), {}, &stranger.bytes()).message.find("none") != std::string::npos);
}
