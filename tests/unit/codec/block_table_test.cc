// SPDX-License-Identifier: MIT
#include "codec/trailer/block_table.h"

#include "support/catch.h"

namespace vmstream {
namespace {

TEST_CASE("a block table finds the piece that holds a byte", "[codec]") {
  BlockTable table;
  CHECK_FALSE(table.find(0));
  REQUIRE(table.append(100, 10));
  REQUIRE(table.append_gap(7));
  REQUIRE(table.append(50, 20));
  CHECK(table.plain_length() == 150);
  CHECK(table.file_length() == 37);
  CHECK(table.find(0) == 0);
  CHECK(table.find(99) == 0);
  CHECK(table.find(100) == 1);
  CHECK(table.find(149) == 1);
  CHECK_FALSE(table.find(150));
  CHECK(table[0].packed_length == 10);
  CHECK(table[0].plain_length == 100);
  CHECK(table[1].plain_offset == 100);
  CHECK(table[1].file_offset == 17);
  CHECK(table[1].plain_length == 50);
  CHECK(table[1].packed_length == 20);
}

TEST_CASE("a byte is never found in an empty piece", "[codec]") {
  BlockTable table;
  REQUIRE(table.append(10, 5));
  REQUIRE(table.append(0, 9));
  REQUIRE(table.append(10, 5));
  CHECK(table.find(10) == 2);
  CHECK(table[2].file_offset == 14);
}

TEST_CASE("offsets that overflow are not taken", "[codec]") {
  BlockTable table;
  REQUIRE(table.append_gap(UINT64_MAX - 5));
  CHECK_FALSE(table.append(1, 6));
  CHECK_FALSE(table.append_gap(6));
  CHECK(table.append(1, 5));
  CHECK(table.size() == 1);
}

}  // namespace
}  // namespace vmstream
