// SPDX-License-Identifier: MIT
#include "io/piece_digests.h"

#include <algorithm>
#include <array>

#include "support/catch.h"

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kPiece = PieceDigests::kPieceBytes;
constexpr size_t kLength = 2 * kPiece + 1000;

Bytes noise(size_t length) {
  Bytes bytes(length);
  uint32_t state = 1;
  for (auto& byte : bytes)
    byte = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

std::shared_ptr<const PieceDigests> digests_of(const Bytes& bytes, size_t step,
                                               PieceDigests::Of whole = PieceDigests::Of::File) {
  auto digests = std::make_shared<PieceDigests>(whole);
  for (size_t at = 0; at < bytes.size(); at += step) {
    REQUIRE(digests->append(std::span(bytes).subspan(at, std::min(step, bytes.size() - at))));
  }
  REQUIRE(digests->seal());
  return digests;
}

// A file that somebody writes to between and during its readings.
struct Fixture {
  Bytes content = noise(kLength);
  const Bytes first = content;
  std::unique_ptr<RandomSource> file = make_random_memory(content);

  std::unique_ptr<RandomSource> second_reading(size_t step = 4096) const {
    return make_proved_source(*file, digests_of(first, step));
  }
  void change(size_t at) { content[at] ^= std::byte{1}; }
};

// The bytes, or nothing after a Malformed error.
std::optional<Bytes> read(RandomSource& source, uint64_t offset, size_t count) {
  Bytes bytes(count);
  auto got = source.read_at(offset, bytes);
  if (got) return bytes;
  CHECK(got.error().code == Errc::Malformed);
  return std::nullopt;
}

TEST_CASE_METHOD(Fixture, "what has not changed is given, however it was read first", "[io]") {
  for (size_t step : {size_t{1000}, kPiece - 1, kPiece, kPiece + 1, kLength}) {
    auto proved = second_reading(step);
    REQUIRE(proved->length() == kLength);
    CHECK(read(*proved, 0, kLength) == first);
    for (uint64_t at : {uint64_t{0}, uint64_t{kPiece - 7}, uint64_t{2 * kPiece}, uint64_t{5}}) {
      auto some = read(*proved, at, 900);
      REQUIRE(some);
      CHECK(std::ranges::equal(*some, std::span(first).subspan(at, 900)));
    }
  }
}

TEST_CASE_METHOD(Fixture, "a piece that has changed is not given, all others are", "[io]") {
  for (size_t at : {size_t{0}, kPiece - 1, kPiece, 2 * kPiece + 999}) {
    change(at);
    auto proved = second_reading();
    for (size_t piece = 0; piece < 3; ++piece) {
      INFO(at << " " << piece);
      CHECK(read(*proved, piece * kPiece + 10, 10).has_value() == (at / kPiece != piece));
    }
    CHECK_FALSE(read(*proved, 0, kLength));
    change(at);
  }
}

TEST_CASE_METHOD(Fixture, "a change while the second reading goes on is seen", "[io]") {
  auto proved = second_reading();
  CHECK(read(*proved, 0, 10));
  change(kPiece + 5);
  CHECK(read(*proved, 20, 10));
  CHECK_FALSE(read(*proved, kPiece, 1));
  change(kPiece + 5);  // and taken back: the very bytes
  CHECK(read(*proved, kPiece, 1));
}

TEST_CASE_METHOD(Fixture, "nothing is known of what the first reading has not read", "[io]") {
  auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::File);
  REQUIRE(digests->append(std::span(first).first(kPiece + 100)));
  SECTION("nothing behind it can be read") {
    REQUIRE(digests->seal());
    auto proved = make_proved_source(*file, digests);
    CHECK(proved->length() == kPiece + 100);
    Bytes some(200);
    auto got = proved->read_at(kPiece, some);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Errc::Truncated);
    CHECK_FALSE(proved->read_at(UINT64_MAX, some));
  }
  SECTION("a piece that was never noted equals nothing") {
    CHECK_FALSE(digests->check(1, std::span(first).subspan(kPiece, 100)));
    CHECK_FALSE(digests->check(9, {}));
  }
  SECTION("the rest is read when the reader has left it") {
    REQUIRE(digests->append_rest(*file));
    REQUIRE(digests->seal());
    auto proved = make_proved_source(*file, digests);
    CHECK(read(*proved, 0, kLength) == first);
    change(kLength - 1);
    CHECK_FALSE(read(*proved, kLength - 2, 1));
  }
}

TEST_CASE_METHOD(Fixture, "a source that has become shorter gives an error", "[io]") {
  auto digests = digests_of(first, 4096);
  auto shorter = make_random_memory(std::span(content).first(kLength - 1));
  auto proved = make_proved_source(*shorter, digests);
  Bytes some(10);
  CHECK(proved->read_at(kPiece, some));
  CHECK_FALSE(proved->read_at(2 * kPiece, some));
}

TEST_CASE_METHOD(Fixture, "the place of a change is told where it is", "[io]") {
  change(kPiece);
  for (auto whole : {PieceDigests::Of::File, PieceDigests::Of::Stream}) {
    auto proved = make_proved_source(*file, digests_of(first, 4096, whole));
    Bytes some(10);
    auto got = proved->read_at(kPiece + 3, some);
    REQUIRE_FALSE(got);
    bool is_file = whole == PieceDigests::Of::File;
    CHECK((is_file ? got.error().file_offset : got.error().offset) == kPiece);
    CHECK((is_file ? got.error().offset : got.error().file_offset) == std::nullopt);
    CHECK(got.error().message.find("has changed since it was checked") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "what passes a noting source is noted, read in either way", "[io]") {
  for (bool in_views : {false, true}) {
    auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::Stream);
    auto source = make_noting_source(make_memory_source(first), digests);
    Bytes passed;
    std::array<std::byte, 1000> room{};
    for (;;) {
      auto bytes = in_views ? source->next() : Result<std::span<const std::byte>>(room);
      auto count = in_views ? Result<size_t>(bytes->size()) : source->read(room);
      REQUIRE(count);
      if (*count == 0) break;
      passed.insert(passed.end(), bytes->begin(), bytes->begin() + static_cast<ptrdiff_t>(*count));
    }
    REQUIRE(digests->seal());
    CHECK(passed == first);
    CHECK(digests->length() == kLength);
    CHECK(digests->check(1, std::span(first).subspan(kPiece, kPiece)));
    CHECK(digests->check(2, std::span(first).subspan(2 * kPiece)));
  }
}

}  // namespace
}  // namespace vmstream
