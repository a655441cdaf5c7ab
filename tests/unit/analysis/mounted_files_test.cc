// SPDX-License-Identifier: MIT
// Files of a mounted state: their names, and their bytes from any place.
#include <catch2/catch.hpp>

#include <string>

#include "analysis/mount/memory_file.h"
#include "analysis/mount/mounted_tree.h"

using namespace vmstream;
using namespace std::string_literals;

TEST_CASE("names of a stream become names of files", "[mount]") {
  CHECK(file_name_of("pc.ram") == "pc.ram");
  CHECK(file_name_of("/rom@etc/acpi") == "\\x2from@etc\\x2facpi");
  CHECK(file_name_of("../..") == "..\\x2f..");
  CHECK(file_name_of(".") == "\\x2e");
  CHECK(file_name_of("..") == "\\x2e.");
  CHECK(file_name_of("").size() > 0);
  for (int letter = 0; letter < 256; ++letter) {
    auto name = file_name_of(std::string(255, static_cast<char>(letter)));
    CHECK(name.size() <= 250);
    CHECK(name.find('/') == std::string::npos);
    CHECK(name.find('\0') == std::string::npos);
    CHECK(name.find('\n') == std::string::npos);
  }
}

TEST_CASE("a raw image has each stretch at its address", "[mount]") {
  auto layout = lay_out_physical({{0x1000, 0x2000}, {0x100000000, 0x1000}});
  REQUIRE(layout.pieces.size() == 2);
  CHECK(layout.pieces[0].offset == 0x1000);
  CHECK(layout.pieces[1].offset == 0x100000000);
  CHECK(layout.pieces[1].address == 0x100000000);
  CHECK(layout.file_bytes == 0x100001000);
  CHECK(lay_out_physical({}).file_bytes == 0);
}
