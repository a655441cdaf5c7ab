// SPDX-License-Identifier: MIT
#include "format/ram/packed_page.h"

#include <string>
#include <string_view>

#include "support/catch.h"

using namespace std::string_view_literals;

namespace {

// The page behind the delta, or "refused".
std::string applied(std::string_view delta, std::string page) {
  bool good = vmstream::apply_xbzrle(std::as_bytes(std::span(delta)),
                                     std::as_writable_bytes(std::span(page)));
  return good ? page : "refused";
}

}  // namespace

TEST_CASE("a delta keeps and replaces in turn", "[format]") {
  CHECK(applied("\x00\x02XY"sv, "abcdef") == "XYcdef");
  CHECK(applied("\x02\x01X\x01\x02YZ"sv, "abcdef") == "abXdYZ");
  CHECK(applied("\x00\x06"
                "ABCDEF"sv,
                "abcdef") == "ABCDEF");
  std::string page(600, 'a');
  std::string wanted = page;
  wanted[300] = 'X';
  CHECK(applied("\xac\x02\x01X"sv, page) == wanted);  // 300 in two bytes
}

TEST_CASE("a delta that no sender writes is refused", "[format]") {
  for (auto delta :
       {""sv, "\x01"sv, "\x01\x00"sv, "\x00\x01"sv, "\x00\x03XY"sv, "\x06\x01X"sv, "\x07\x01X"sv,
        "\x00\x01X\x00\x01Y"sv, "\x80"sv, "\x80\x80\x01X"sv, "\x00\x01X\x01"sv}) {
    CHECK(applied(delta, "abcdef") == "refused");
  }
}
