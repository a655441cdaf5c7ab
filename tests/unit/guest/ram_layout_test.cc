// SPDX-License-Identifier: MIT
// Which layouts of memory a live save by an emulating QEMU does not survive.
#include "guest/capture/ram_layout.h"

#include "support/catch.h"

using namespace vmstream;

namespace {

// As QEMU 10.0 prints it.
constexpr const char* kBackendFirst =
    "              Block Name    PSize              Offset               Used              Total   "
    "             HVA  RO\r\n"
    "                  pc.ram    4 KiB  0x0000000001000000 0x0000000002000000 0x0000000002000000 "
    "0x00007f9c91e00000  rw\r\n"
    "                            4 KiB  0x0000000000000000 0x0000000001000000 0x0000000001000000 "
    "0x00007f9cd9400000  rw\r\n"
    "                 pc.bios    2 MiB  0x0000000003000000 0x0000000000040000 "
    "0x0000000000040000\r\n";

}  // namespace

TEST_CASE("the human monitor's list of RAM blocks is read", "[guest]") {
  CHECK(parse_ram_blocks(kBackendFirst) ==
        std::vector<PlacedBlock>{
            {"pc.ram", 0x1000000, 0x2000000}, {"", 0, 0x1000000}, {"pc.bios", 0x3000000, 0x40000}});
  for (const char* text :
       {"", "\n", "unknown command", "a 4 KiB 0x1", "a 4 KiB 0xz 0x1", "0x1 0x2"}) {
    CHECK(parse_ram_blocks(text).empty());
  }
}

TEST_CASE("a block that is larger than the first one is fatal", "[guest]") {
  auto fatal = find_fatal_block(parse_ram_blocks(kBackendFirst));
  REQUIRE(fatal);
  CHECK(fatal->name == "pc.ram");
  CHECK_FALSE(find_fatal_block({}));
  CHECK_FALSE(find_fatal_block({{"pc.ram", 0, 64}, {"vga.vram", 64, 16}}));
  CHECK_FALSE(find_fatal_block({{"dimm", 0, 64}, {"pc.ram", 64, 64}}));
  CHECK_FALSE(find_fatal_block({{"pc.ram", 0, 64}, {"", 64, 128}}));
  CHECK(find_fatal_block({{"pc.ram", 0, 8}, {"vga.vram", 8, 16}}));
}
