// SPDX-License-Identifier: MIT
#include <vmstream/stream_statistics.h>

#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

TEST_CASE("a tap counts what flows by") {
  auto stream = small_stream();
  StatisticsTap tap;
  auto bytes = std::span<const std::byte>(stream.bytes());
  REQUIRE(tap.on_bytes(bytes.first(1000)));
  CHECK(tap.counts().guest_bytes == 0x5000);
  CHECK(tap.counts().stream_bytes == 1000);
  REQUIRE(tap.on_bytes(bytes.subspan(1000)));
  REQUIRE(tap.finish());
  CHECK(tap.counts().stream_bytes == stream.size());
  CHECK(tap.counts().pages == 4);
  CHECK(tap.counts().zero_pages == 1);
  CHECK(tap.counts().page_bytes == 4 * 1024);
  CHECK(tap.counts().device_sections == 2);
  CHECK(tap.parser().stream_length() == stream.size());
}

TEST_CASE("a tap stops at the first bad byte, and an early end is truncated") {
  auto stream = small_stream();
  StatisticsTap cut;
  REQUIRE(cut.on_bytes(std::span<const std::byte>(stream.bytes()).first(1000)));
  auto status = cut.finish();
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::Truncated);
  stream.bytes()[0] = std::byte{0};
  StatisticsTap bad;
  CHECK_FALSE(bad.on_bytes(stream.bytes()));
}
