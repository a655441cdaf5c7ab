// SPDX-License-Identifier: MIT
// Streams that are whole but for their description, and such as only look so.
#include "support/catch.h"
#include "unit/guest/handed_stream.h"

using namespace vmstream;
using namespace testing;

namespace {

constexpr size_t kVmdescHead = 5;

// EOF included.
size_t sections_of(const Bytes& bytes, size_t description) {
  return bytes.size() - kVmdescHead - description;
}

Handed accept(std::span<const std::byte> bytes, HoldBack mode, bool accepts = true) {
  return guard(bytes, {.hold_back = mode, .accept_damaged_description = accepts}, 100);
}

bool is_hinted(const Handed& handed) {
  return handed.status.error().hint.starts_with("--accept-damaged-description");
}

}  // namespace

TEST_CASE("a description that is cut anywhere is left out if that is accepted", "[guard]") {
  const Bytes whole = testing::small_stream().bytes();
  const size_t sections = sections_of(whole, testing::small_vmdesc().size());
  const Bytes wanted(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(sections));
  for (HoldBack mode : kModes) {
    for (size_t length = sections + 1; length < whole.size(); ++length) {
      CAPTURE(length);
      auto cut = std::span(whole).first(length);
      Handed refused = accept(cut, mode, false);
      REQUIRE_FALSE(refused.status);
      REQUIRE(is_hinted(refused));
      REQUIRE((refused.all == refused.early));
      Handed accepted = accept(cut, mode);
      REQUIRE(accepted.status);
      REQUIRE((accepted.all == wanted));
    }
  }
}

TEST_CASE("a cut in front of a description is never accepted", "[guard]") {
  const Bytes whole = testing::small_stream().bytes();
  const size_t sections = sections_of(whole, testing::small_vmdesc().size());
  for (size_t length = 0; length < sections; ++length) {
    CAPTURE(length);
    Handed cut = accept(std::span(whole).first(length), HoldBack::AllButMemory);
    REQUIRE_FALSE(cut.status);
    REQUIRE(cut.status.error().hint.empty());
    REQUIRE((cut.all == cut.early));
  }
}

TEST_CASE("whatever bit of a description flips, the sections are handed on as they were",
          "[guard]") {
  const Bytes whole = testing::small_stream().bytes();
  const size_t sections = sections_of(whole, testing::small_vmdesc().size());
  int left_out = 0;
  for (size_t bit = 8 * sections; bit < 8 * whole.size(); ++bit) {
    CAPTURE(bit);
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    Handed handed = accept(flipped, HoldBack::AllButMemory);
    if (!handed.status) {  // then it may be the sections that are wrong
      REQUIRE_FALSE(is_hinted(handed));
      continue;
    }
    REQUIRE(handed.all.size() >= sections);
    REQUIRE(std::equal(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(sections),
                       handed.all.begin()));
    left_out += handed.all.size() == sections ? 1 : 0;
  }
  CHECK(left_out > 100);
}

TEST_CASE("an end mark in the middle is no damage of the description", "[guard]") {
  auto stream = opening();
  ram_start(stream);
  ram_end(stream);
  stream.device(3, "timer", "0123456789").eof().device(5, "vga", "VGA").device(6, "rtc", "RTC");
  stream.eof().vmdesc(make_vmdesc({{"timer", 10}, {"vga", 3}, {"rtc", 3}}));
  for (HoldBack mode : kModes) {
    Handed handed = accept(stream.bytes(), mode);
    REQUIRE_FALSE(handed.status);
    CHECK_FALSE(is_hinted(handed));
    CHECK(handed.status.error().message.find("the end mark stands here") != std::string::npos);
    CHECK(handed.decisions == 0);
  }
}

TEST_CASE("without footers a description cannot be left out", "[guard]") {
  StreamBuilder stream(false);
  stream.header();
  ram_start(stream);
  ram_end(stream);
  stream.device(3, "timer", "0123456789").eof().vmdesc(make_vmdesc({{"timer", 10}}));
  REQUIRE(accept(stream.bytes(), HoldBack::AllButMemory).status);
  Handed cut = accept(std::span(stream.bytes()).first(stream.size() - 4), HoldBack::AllButMemory);
  REQUIRE_FALSE(cut.status);
  CHECK_FALSE(is_hinted(cut));
  CHECK(cut.decisions == 0);
}

TEST_CASE("a stream that contradicts its description is refused at its end", "[guard]") {
  auto stream = opening();
  ram_start(stream);
  ram_end(stream);
  stream.device(3, "timer", "0123456789").eof().vmdesc(make_vmdesc({{"timer", 9}}));
  for (HoldBack mode : kModes) {
    Handed handed = accept(stream.bytes(), mode);
    REQUIRE_FALSE(handed.status);
    CHECK_FALSE(is_hinted(handed));
    CHECK(handed.status.error().code == Errc::Malformed);
    CHECK(handed.decisions == 0);
  }
}

TEST_CASE("a section that the description has and the stream has not is missed", "[guard]") {
  auto stream = opening();
  ram_start(stream);
  ram_end(stream);
  stream.device(3, "timer", "0123456789").eof();
  const std::string description = make_vmdesc({{"timer", 10}, {"cpu", 3}});
  stream.vmdesc(description);
  for (HoldBack mode : kModes) {
    for (size_t cut : {size_t{0}, size_t{1}, size_t{2}}) {  // what is left still names it
      Handed handed = accept(std::span(stream.bytes()).first(stream.size() - cut), mode);
      REQUIRE_FALSE(handed.status);
      CHECK(handed.status.error().message.find("'cpu' instance 0, which is not in the stream") !=
            std::string::npos);
      CHECK(handed.decisions == 0);
    }
  }
}

TEST_CASE("sections in the place of a description are none", "[guard]") {
  auto stream = opening();
  ram_start(stream);
  ram_end(stream);
  stream.device(3, "timer", "0123456789").eof().be8(6);
  const std::string body(100, '\x01');
  stream.device(5, "vga", body).device(6, "rtc", body).eof().vmdesc(make_vmdesc({{"timer", 10}}));
  for (HoldBack mode : kModes) {
    Handed handed = accept(stream.bytes(), mode);
    REQUIRE_FALSE(handed.status);
    CHECK_FALSE(is_hinted(handed));
    CHECK(handed.decisions == 0);
  }
}

TEST_CASE("a stream without its memory is refused", "[guard]") {
  auto elsewhere = [](bool zeros, size_t count) {
    auto stream = opening();
    ram_start(stream);
    stream.end(2);
    for (size_t i = 0; zeros && i < count; ++i) stream.fill_page(i ? "" : "pc.ram", 0x1000 * i);
    stream.eos().footer();
    return ending(stream).bytes();
  };
  for (HoldBack mode : kModes) {
    for (auto bytes : {elsewhere(false, 0), elsewhere(true, 7)}) {
      Handed handed = accept(bytes, mode);
      REQUIRE_FALSE(handed.status);
      CHECK(handed.status.error().code == Errc::Unsupported);
      CHECK(handed.decisions == 0);
    }
    CHECK(accept(elsewhere(true, 8), mode).status);  // all of it is zero
  }
}
