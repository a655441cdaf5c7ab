// SPDX-License-Identifier: MIT
// Places inside gzip members at which decoding begins.
#include "codec/gzip/resume_points.h"

#include <fmt/format.h>

#include "unit/codec/trailer_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

ResumePoints points_of(const Bytes& packed, const Bytes& plain, NotingOptions options = {}) {
  ResumePoints points;
  auto source = make_noting_decoder(make_memory_source(packed), points, options);
  auto decoded = drain(*source);
  REQUIRE(decoded.status);
  REQUIRE((decoded.bytes == plain));
  REQUIRE(points.plain_length == plain.size());
  REQUIRE(points.file_length == packed.size());
  return points;
}

void check_reads(RandomSource& source, const Bytes& plain) {
  REQUIRE(source.length() == plain.size());
  for (size_t step = 0; step <= 40; ++step) {
    size_t at = plain.size() / 40 * (step * 7 % 41);
    Bytes got(std::min<size_t>(5000, plain.size() - at));
    auto status = source.read_at(at, got);
    CAPTURE(at, status ? "" : describe(status.error()));
    REQUIRE(status);
    REQUIRE(std::equal(got.begin(), got.end(), plain.begin() + ptrdiff_t(at)));
  }
}

}  // namespace

TEST_CASE("any place of a long gzip member is read", "[codec]") {
  Bytes plain = sample(5 * kMiB + 11);
  for (const char* command : {"gzip -1c", "gzip -6c", "pigz -c", "pigz -ic"}) {
    CAPTURE(command);
    Bytes packed = run(command, plain);
    if (std::string_view(command) == "gzip -6c") {  // as several members
      packed = concatenated({run("head -c 1250000 | gzip -1c", plain), run("gzip -c", {}),
                             run("tail -c +1250001 | gzip -6c", plain)});
    }
    ResumePoints points = points_of(packed, plain, {.spacing_bytes = kMiB});
    CHECK(points.points.size() >= 4);
    CHECK(points.points.size() <= 6);
    auto file = make_random_memory(packed);
    auto source = make_resuming_decoder(*file, points, {2 * kMiB});
    REQUIRE(source);
    check_reads(**source, plain);
    auto parsed = parse_resume_points(serialise(points));
    REQUIRE(parsed);
    source = make_resuming_decoder(*file, *parsed, {});
    REQUIRE(source);
    CHECK((read_all(**source) == plain));
  }
}

TEST_CASE("many small members need few points", "[codec]") {
  Bytes plain;
  Bytes packed;
  Bytes member = sample(300'000, 4);
  Bytes packed_member = run("gzip -1c", member);
  for (int i = 0; i < 40; ++i) {
    plain = concatenated({plain, member});
    packed = concatenated({packed, packed_member});
  }
  ResumePoints points = points_of(packed, plain);
  CHECK(points.points.size() == 3);
  auto file = make_random_memory(packed);
  auto source = make_resuming_decoder(*file, points);
  REQUIRE(source);
  check_reads(**source, plain);
}

TEST_CASE("points are thinned out where there would be too many", "[codec]") {
  Bytes plain = sample(6 * kMiB);
  Bytes packed = run("gzip -1c", plain);
  for (size_t most : {1UL, 4UL, 7UL, 12UL}) {
    CAPTURE(most);
    ResumePoints points = points_of(packed, plain, {.spacing_bytes = 200'000, .most_points = most});
    CHECK(points.points.size() <= most);
    CHECK(points.points.size() >= most / 2);
    auto file = make_random_memory(packed);
    auto source = make_resuming_decoder(*file, points);
    REQUIRE(source);
    CHECK((read_all(**source) == plain));
  }
  // Stretches that would become too long to hold.
  Bytes zeros(30 * kMiB);
  ResumePoints none =
      points_of(run("gzip -1c", zeros), zeros, {.spacing_bytes = 20 * kMiB, .most_points = 1});
  CHECK(none.points.empty());
  CHECK_FALSE(parse_resume_points(serialise(none)));
}

TEST_CASE("an empty gzip file has one point", "[codec]") {
  Bytes packed = run("gzip -c", {});
  ResumePoints points = points_of(packed, {});
  auto file = make_random_memory(packed);
  auto source = make_resuming_decoder(*file, points);
  REQUIRE(source);
  CHECK((*source)->length() == 0);
}

TEST_CASE("a noting decoder finds damage as others do", "[codec]") {
  Bytes plain = sample(2000);
  Bytes good = run("gzip -cn", plain);
  auto decode_noting = [](const Bytes& packed) {
    ResumePoints points;
    return drain(*make_noting_decoder(make_memory_source(packed), points)).status;
  };
  CHECK(decode_noting(concatenated({good, Bytes(1000)})));
  for (size_t length = 0; length < good.size(); ++length) {
    CHECK_FALSE(decode_noting(Bytes(good.begin(), good.begin() + ptrdiff_t(length))));
  }
  auto cut = decode_noting(Bytes(good.begin(), good.end() - 1));
  CHECK(cut.error().code == Errc::Truncated);
  good[good.size() / 2] ^= std::byte{1};
  auto damaged = decode_noting(good);
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == Errc::Malformed);
  CHECK(damaged.error().file_offset);
}

TEST_CASE("points that lie are found out", "[codec]") {
  Bytes plain = sample(9 * kMiB);
  Bytes packed = run("gzip -1c", plain);
  const ResumePoints good = points_of(packed, plain);
  REQUIRE(good.points.size() == 3);
  auto file = make_random_memory(packed);
  auto outcome = [&](auto change) -> std::string {
    ResumePoints points = good;
    change(points);
    auto parsed = parse_resume_points(serialise(points));
    auto source = make_resuming_decoder(*file, points);
    if (!source) {
      CHECK(source.error().code == Errc::Malformed);
      return "refused: " + source.error().message;
    }
    CHECK(parsed);
    Bytes got(10);
    auto status = (*source)->read_at(5 * kMiB, got);
    if (status) return "read";
    CHECK(status.error().offset);
    return status.error().message;
  };
  CHECK(outcome([](auto&) {}) == "read");
  CHECK(outcome([](auto& p) { p.points[1].crc ^= 1; }).find("checksum of the") !=
        std::string::npos);
  CHECK(outcome([](auto& p) { p.points[1].file_bit += 1; }) != "read");
  CHECK(outcome([](auto& p) { p.points[1].window.assign(100, std::byte{8}); }) != "read");
  CHECK(outcome([](auto& p) { p.points[1].plain_offset += 1; }) != "read");
  CHECK(outcome([](auto& p) { p.points[2].plain_offset -= 1; }) != "read");
  CHECK(outcome([](auto& p) { p.points[1].window_length = 0; }).starts_with("refused"));
  CHECK(outcome([](auto& p) { p.points[1].window_length = 40'000; }).starts_with("refused"));
  CHECK(outcome([](auto& p) { p.points[1].plain_offset = 0; }).starts_with("refused"));
  CHECK(
      outcome([](auto& p) { p.points[1].file_bit = p.points[2].file_bit; }).starts_with("refused"));
  CHECK(outcome([](auto& p) { p.points.clear(); }).starts_with("refused"));
  CHECK(outcome([](auto& p) { p.points.resize(3000, p.points[1]); }).starts_with("refused"));
  CHECK(outcome([](auto& p) { p.plain_length = uint64_t{1} << 40; }).starts_with("refused"));
  CHECK(outcome([](auto& p) { p.file_length += 1; }) ==
        fmt::format("refused: the resume points are of a file of {} bytes, this one has {}",
                    packed.size() + 1, packed.size()));
}

TEST_CASE("serialised points that are damaged or cut never crash", "[codec]") {
  Bytes plain = sample(5 * kMiB);
  Bytes bytes = serialise(points_of(run("gzip -1c", plain), plain));
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 50) {
    CHECK_FALSE(parse_resume_points(std::span(bytes).first(length)));
  }
  for (size_t bit = 0; bit < 8 * 60; ++bit) {
    Bytes damaged = bytes;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    auto parsed = parse_resume_points(damaged);
    if (parsed) CHECK(parsed->points.size() <= 2048);
  }
  bytes.push_back(std::byte{0});
  CHECK(parse_resume_points(bytes).error().message == "resume points: bytes follow the last one");
  bytes[0] = std::byte{2};
  CHECK(parse_resume_points(bytes).error().code == Errc::Unsupported);
}

TEST_CASE("noting ends between two pieces on a request to stop", "[codec]") {
  Bytes packed = run("gzip -1c", Bytes(8 * kMiB));
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  ResumePoints points;
  auto source = make_noting_decoder(make_memory_source(packed), points,
                                    {.limits = {.cancellation = &*cancellation}});
  REQUIRE(source->next());
  cancellation->request();
  auto next = source->next();
  REQUIRE_FALSE(next);
  CHECK(next.error().code == Errc::Interrupted);
}
