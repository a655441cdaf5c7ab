// SPDX-License-Identifier: MIT
// Recorded postcopy migrations, put together as plain loads.
#include <chrono>

#include "support/catch.h"
#include "support/fake_qemu.h"
#include "unit/guest/handed_stream.h"

using namespace vmstream;
using namespace testing;

TEST_CASE("a postcopy stream is put together as a plain load", "[guard]") {
  auto stream = testing::postcopy_stream();
  auto wanted = [](HoldBack mode) {
    auto plain = opening();
    auto talk = [](StreamBuilder& to) { to.command(kOpenReturnPath).command(kPing, be(1, 4)); };
    auto first = [](StreamBuilder& to) {
      to.start(1, "dirty-bitmap").be8(1).footer().start(3, "block").be64(2).footer();
    };
    auto list = [](StreamBuilder& to) { ram_start(to); };
    auto progress = [](StreamBuilder& to) { to.part(3).be64(50 << 9 | 4).be64(2).footer(); };
    auto part = [](StreamBuilder& to) {
      to.part(2).page("pc.ram", 0, 0x11).page("", 0x2000, 0x22).eos().footer();
    };
    auto middle = [](StreamBuilder& to) {
      to.command(kSwitchover).end(3).be64(2).footer().command(kPing, be(2, 4));
    };
    auto devices = [](StreamBuilder& to) {
      to.device(5, "timer", "0123456789").device(6, "cpu", "abc").command(kPing, be(3, 4));
      to.end(1).be8(1).footer();
    };
    auto rest = [](StreamBuilder& to) { ram_end(to, 0x33); };
    using Add = void (*)(StreamBuilder&);
    std::vector<Add> order = {talk, first, list, progress, part, middle, rest, devices};
    if (mode == HoldBack::AllButMemory)
      order = {talk, list, part, rest, first, progress, middle, devices};
    if (mode == HoldBack::AllUnsigned)
      order = {list, part, rest, talk, first, progress, middle, devices};
    for (Add add : order) add(plain);
    return plain.eof().bytes();
  };
  for (HoldBack mode : kModes) {
    Handed handed = guard(stream.bytes(), {.hold_back = mode});
    REQUIRE(handed.status);
    CHECK(handed.rebuilt);
    CHECK(handed.decisions == 1);
    CHECK((handed.all == wanted(mode)));
  }
}

TEST_CASE("page sizes that only a postcopy load reads are left out of the block list", "[guard]") {
  auto list = [](StreamBuilder& stream, bool page_size) {
    stream.start(2, "ram", 4).be64(0x10000 | 4).counted("pc.ram").be64(0x8000);
    if (page_size) stream.be64(0x200000);
    stream.counted("huge").be64(0x8000);
    if (page_size) stream.be64(0x200000);
    stream.eos().footer();
  };
  auto whole = [&](bool advised) {
    auto stream = opening();
    if (advised) stream.command(kAdvise, advice_payload());
    list(stream, advised);
    ram_end(stream);
    return ending(stream).bytes();
  };
  for (HoldBack mode : kModes) {
    for (size_t piece : {size_t{1}, size_t{1000}}) {
      Handed handed = guard(whole(true), {.hold_back = mode}, piece);
      REQUIRE(handed.status);
      CHECK((handed.all == whole(false)));
      CHECK(handed.rebuilt);
    }
  }
}

TEST_CASE("discarded pages have to come again", "[guard]") {
  struct Case {
    uint64_t start, length;
    std::string message;
  };
  auto the = GENERATE(values<Case>({
      {0, 0x2000, ""},
      {0, 0x3000,
       "1 pages that the source discarded never came again, the first 0x2000 of block "
       "'pc.ram'"},
      {0x2000, 0x6000,
       "6 pages that the source discarded never came again, the first 0x2000 of "
       "block 'pc.ram'"},
      {0x2000, 0x7000,
       "0x7000 bytes at 0x2000 of block 'pc.ram' (0x8000 bytes) cannot be "
       "discarded"},
      {0x800, 0x1000, "0x1000 bytes at 0x800 of block 'pc.ram' (0x8000 bytes) cannot be discarded"},
      {UINT64_MAX - 0xfff, 0x1000,
       "0x1000 bytes at 0xfffffffffffff000 of block 'pc.ram' (0x8000 bytes) cannot be discarded"},
  }));
  Bytes bytes = stream_with([&](StreamBuilder& stream) {
    stream.command(kAdvise, advice_payload())
        .command(kDiscard, discard_payload("pc.ram", the.start, the.length));
  });
  for (HoldBack mode : kModes) {
    Handed handed = guard(bytes, {.hold_back = mode});
    CAPTURE(the.message);
    REQUIRE(bool(handed.status) == the.message.empty());
    if (handed.status) continue;
    CHECK(handed.status.error().message == the.message);
    CHECK(handed.decisions == 0);
  }
}

TEST_CASE("the ledger of discarded pages is bounded, and keeps blocks apart", "[guard]") {
  auto restore = [](uint64_t length, std::string_view discarded) {
    auto stream = opening();
    stream.command(kAdvise, advice_payload());
    stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x8000}, {"large", length}}).eos().footer();
    stream.command(kDiscard, discard_payload("pc.ram", 0, 0x1000));
    stream.command(kDiscard, discard_payload(discarded, 0, 0x1000));
    ram_end(stream);
    return guard(ending(stream).bytes(), {}).status;
  };
  CHECK(restore(0x8000, "pc.ram"));
  Status missing = restore(0x8000, "large");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message ==
        "1 pages that the source discarded never came again, the first 0x0 of block 'large'");
  Status too_large = restore(uint64_t{1} << 50, "large");
  REQUIRE_FALSE(too_large);
  CHECK(too_large.error().code == Errc::Unsupported);
}

// Sixteen bytes of a command may speak of every page there is.
TEST_CASE("pages can be discarded a few times, not any number of times", "[guard]") {
  constexpr uint64_t kBlockBytes = uint64_t{1} << 40;
  std::string ranges = discard_payload("pc.ram", 0, kBlockBytes);
  std::string one = ranges.substr(ranges.size() - 16);
  for (int i = 1; i < 4000; ++i) ranges += one;
  auto stream = opening();
  stream.command(kAdvise, advice_payload());
  stream.start(2, "ram", 4).ram_blocks({{"pc.ram", kBlockBytes}}).eos().footer();
  stream.command(kDiscard, ranges);
  ram_end(stream);
  auto start = std::chrono::steady_clock::now();
  Status done = guard(ending(stream).bytes(), {}).status;
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::Unsupported);
  CHECK(done.error().message == "more than 2147483648 pages are discarded, the limit");
}

TEST_CASE("a delta does not bring back a discarded page", "[guard]") {
  Bytes bytes = stream_with([](StreamBuilder& stream) {
    stream.command(kAdvise, advice_payload())
        .command(kDiscard, discard_payload("pc.ram", 0x3000, 0x1000));
    stream.part(2)
        .page_head("pc.ram", 0x3000, 0x040)
        .be8(1)
        .be16(3)
        .text(std::string_view("\0\1x", 3))
        .eos()
        .footer();
  });
  Handed handed = guard(bytes, {});
  REQUIRE_FALSE(handed.status);
  CHECK(handed.status.error().code == Errc::Truncated);
}
