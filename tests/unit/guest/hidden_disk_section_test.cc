// SPDX-License-Identifier: MIT
// A section that QEMU could find where the parser has found none.
#include "guest/restore/hidden_disk_section.h"

#include <string>

#include "support/catch.h"

using namespace vmstream;

namespace {

constexpr std::string_view kHeader("\1\0\0\0\7\5block", 11);
constexpr std::string_view kLonger("\4\0\0\0\7\6block\0", 12);

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Of `text` in two pieces.
Status look(std::string_view text, size_t first, std::optional<uint64_t> seen = std::nullopt) {
  HiddenDiskSection hidden;
  if (auto clean = hidden.look(100, as_bytes(text.substr(0, first)), seen); !clean) return clean;
  return hidden.look(100 + first, as_bytes(text.substr(first)), seen);
}

}  // namespace

TEST_CASE("a header of disks is found wherever it lies", "[guest][restore]") {
  for (std::string_view header : {kHeader, kLonger}) {
    for (size_t front : {size_t{0}, size_t{5}, size_t{40}}) {
      std::string text = std::string(front, 'x') + std::string(header) + std::string(30, 'y');
      for (size_t piece = 0; piece <= text.size(); ++piece) {
        CAPTURE(front, piece);
        auto found = look(text, piece);
        REQUIRE_FALSE(found);
        CHECK(found.error().code == Errc::Refused);
        CHECK(found.error().offset == 100 + front);
        CHECK(look(text, piece, 100 + front));
        CHECK_FALSE(look(text, piece, 101 + front));
      }
    }
  }
}

TEST_CASE("it is found byte by byte, and not across a gap", "[guest][restore]") {
  HiddenDiskSection hidden;
  uint64_t offset = 0;
  Status clean = ok();
  for (char c : kLonger) {
    REQUIRE(clean);
    clean = hidden.look(offset++, as_bytes({&c, 1}), std::nullopt);
  }
  CHECK_FALSE(clean);
  HiddenDiskSection apart;
  CHECK(apart.look(0, as_bytes(kHeader.substr(0, 5)), std::nullopt));
  CHECK(apart.look(6, as_bytes(kHeader.substr(5)), std::nullopt));
}

TEST_CASE("the word alone is no header", "[guest][restore]") {
  for (std::string text : {std::string("block"), "\2" + std::string(kHeader.substr(1)),
                           std::string("\1\0\0\0\7\4block", 11), "\1\0\0\0\7\6blocks",
                           std::string("\1\0\0\0\7\6blocky", 12)}) {
    for (size_t piece = 0; piece <= text.size(); ++piece) CHECK(look(text, piece));
  }
}
